"""The planned load goes in; the instants at which requests start, and pauses, come out."""
