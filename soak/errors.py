"""The errors a user can meet, and the one way in which they become exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Final

EXIT_OK = 0
EXIT_HARNESS_FAILED = 1
EXIT_USAGE = 2
EXIT_GATE_FAILED = 3
EXIT_INCONCLUSIVE = 4
EXIT_INTERRUPTED = 130
"""By Ctrl-C, as a shell has it: 128 and the number of SIGINT."""
OF_A_PATH: Final = (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)
"""Faults of a path that was given: usage, wherever it is first looked at."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
"""A full disk, and a user's quota of it that is used up."""
LONGEST_MESSAGE: Final = 4000
"""Characters of a message above which its middle is left out."""


class SoakError(Exception):
    """What is wrong, where, and the fix, in one line; ``exit_on_error`` prints it and exits with ``exit_code``.

    ``quoted`` are lines of a log that are printed below it.
    """

    exit_code = EXIT_HARNESS_FAILED

    def __init__(self, message: str = "", quoted: str = "") -> None:
        super().__init__(f"{message}\n{quoted}" if quoted else message)
        self.message, self.quoted = message, quoted


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


def printable(text: str) -> str:
    """Return lines of text with all other control characters shown as escapes: a terminal obeys none of it."""
    return "".join(
        character if character.isprintable() or character == "\n" else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    """Return a character as Python writes it in a literal: an escape where it is not printable ASCII."""
    return character.encode("unicode_escape").decode("ascii")


def message_line(error: object) -> str:
    """Return the message of an error as one printable line of at most about ``LONGEST_MESSAGE`` characters."""
    line = printable(str(error)).replace("\n", _escape("\n"))
    half = LONGEST_MESSAGE // 2
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:half]} ... {line[-half:]}"


def exit_on_error(command: Callable[[], object]) -> None:
    """Run a command line; an error of ours is printed in a sentence and becomes the process's exit code.

    So does a path that cannot be reached, and a full disk or quota under the standard output; a reader of it that has
    left (EPIPE) is not worth a word. The traceback of any other error is written to a file of the temporary
    directory, which the printed line names.
    """
    open_standard_descriptors()
    _open_standard_streams()
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except SoakError as error:
        _print_error("\n".join(filter(None, (message_line(error.message), printable(error.quoted)))))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # outside of a command, which typer ends so too
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - a fault of ours: no user can use its traceback, a maintainer can
        code = error.errno if isinstance(error, OSError) else None
        if isinstance(error, OSError) and code in OF_A_PATH and error.filename is not None:
            _print_error(message_line(f"{os.fsdecode(error.filename)}: {error.strerror}; give another path."))
            sys.exit(EXIT_USAGE)
        if code in (*NO_ROOM, errno.EPIPE):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to print would fail again
        if code in NO_ROOM:
            _print_error("the disk or the quota is full where this was to be printed; free some of it.")
        elif code != errno.EPIPE:
            _print_error(_unexpected(error))
        sys.exit(EXIT_HARNESS_FAILED)


def open_standard_descriptors() -> None:
    """Open /dev/null as each standard stream that was closed at the start: another file would get its number.

    A file of a recording would, and what a child prints, or before that the one that libffi opens for ctypes.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one


def end_quietly_by_ctrl_c() -> None:
    """Let Ctrl-C end the process without a traceback where no command catches it yet: while modules are imported."""
    print_other = sys.excepthook

    def print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            print_other(kind, error, trace)

    sys.excepthook = print_error


def _open_standard_streams() -> None:
    """Make the streams of Python that it lacks where they were closed at the start, and let each take every character.

    A character that the encoding of a terminal lacks is printed as an escape.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_error(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr)


def _unexpected(error: Exception) -> str:
    """Return the message about an error that is none of ours, after its traceback was written to a file."""
    import tempfile  # noqa: PLC0415 - needed once something went wrong

    what = message_line(f"unexpected {type(error).__name__}: {error}")
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="soak-error-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError as no_file:
        frames = traceback.extract_tb(error.__traceback__)
        at = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        return f"{what}{at}. This is a defect of soakproof; its traceback could not be written ({no_file.strerror})."
    return f"{what}. This is a defect of soakproof; report it with its traceback, {file.name}."
