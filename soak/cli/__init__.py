"""The command line: what a user types goes in, text and an exit code come out. A command reads in one screen."""
