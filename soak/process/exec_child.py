"""Become a child of the run: enter the memory limit, then turn into the command.

Run as a script (standard library only, ``python -I -S exec_child.py PARENT_PID CGROUP_PROCS|- COMMAND...``), so
that the command is inside its limit before its first instruction and dies with the supervisor. The process id stays
the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
EXIT_CANNOT_START = 127


def main(argv: list[str]) -> None:
    """Replace this process by ``argv[2:]``; exits 127 with one line when that is not possible."""
    parent, cgroup_procs, *command = argv
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("soak: the supervisor died before its child could start")
    try:
        if cgroup_procs != "-":
            with open(cgroup_procs, "w") as procs:  # noqa: PTH123 - pathlib would double this script's start-up time
                procs.write(str(os.getpid()))
        os.execvp(command[0], command)  # noqa: S606 - starting the given command is this script's purpose
    except OSError as error:
        print(f"soak: cannot start {command[0]}: {error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
