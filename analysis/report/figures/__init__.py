"""The report's contents go in, matplotlib figures come out."""
