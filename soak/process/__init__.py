"""What to start goes in; a child process that is logged, watched and ended with the run comes out."""
