"""The command line: what a user types goes in, text and an exit code come out. A command reads in one screen."""

from soak.errors import open_standard_descriptors

open_standard_descriptors()  # the first import of ctypes would take the number of a closed one
