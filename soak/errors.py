"""The errors a user can meet, and the one way in which they become exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

EXIT_OK = 0
EXIT_HARNESS_FAILED = 1
EXIT_USAGE = 2
EXIT_GATE_FAILED = 3
EXIT_INCONCLUSIVE = 4
EXIT_INTERRUPTED = 130
"""By Ctrl-C, as a shell has it: 128 and the number of SIGINT."""


class SoakError(Exception):
    """What is wrong, where, and the fix, as one paragraph; ``exit_on_error`` prints it and exits with ``exit_code``."""

    exit_code = EXIT_HARNESS_FAILED


class UsageError(SoakError):
    """The command line, the profile or the machine does not allow the run; nothing was started."""

    exit_code = EXIT_USAGE


class RecordingError(SoakError):
    """A run directory is missing, cut short beyond use, or of another schema."""

    exit_code = EXIT_USAGE


class HarnessError(SoakError):
    """A part of the harness failed during the run; what was recorded until then is kept."""


class CutShortError(SoakError):
    """The run ended early, but not by a fault of ours: what was recorded is worth a report."""


def exit_on_error(command: Callable[[], object]) -> None:
    """Run a command line; an error of ours is printed in a sentence and becomes the process's exit code.

    So does a full disk under the standard output; a reader of it that has left (EPIPE) is not worth a word.
    """
    try:
        try:
            command()
        finally:
            if sys.stdout is not None:  # None: it was closed at the start
                sys.stdout.flush()
    except SoakError as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # outside of a command, which typer ends so too
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to print would fail again
        if error.errno == errno.ENOSPC:
            print("soak: the disk is full where this was to be printed; free some of it.", file=sys.stderr)
        sys.exit(EXIT_HARNESS_FAILED)
