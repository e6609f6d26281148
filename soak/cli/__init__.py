"""The command line: what a user types goes in, text and an exit code come out. A command reads in one screen."""

from soak.errors import end_quietly_by_ctrl_c, open_standard_descriptors

end_quietly_by_ctrl_c()  # the import of the commands takes half a second
open_standard_descriptors()  # the first import of ctypes would take the number of a closed one
