"""The targets' processes go in; one row a second of each, censuses and holders come out."""
