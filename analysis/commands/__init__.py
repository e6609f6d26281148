"""What each command does: its arguments go in, text to print and an exit code come out."""
