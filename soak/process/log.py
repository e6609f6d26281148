"""The log of a child process, which is the child's own file: whatever it puts in its place is not followed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from soak.regular_files import open_regular, replace_file

LOG_CAP_BYTES: Final = 10_000_000
_TAIL_BYTES: Final = 4000


def cap_log(log: Path) -> None:
    """Keep a log below twice LOG_CAP_BYTES: when it has more than that, its end moves to ``<log>.1``.

    A file that is no regular one stays as it is. Where the end cannot be saved it is lost: the disk comes first.
    """
    with contextlib.suppress(OSError), open_regular(log) as file:
        if (size := os.fstat(file.fileno()).st_size) > LOG_CAP_BYTES:
            file.seek(size - LOG_CAP_BYTES)
            try:
                replace_file(Path(f"{log}.1"), file.read(LOG_CAP_BYTES))
            finally:
                # the file that was read, whatever has its name by now
                os.truncate(f"/proc/self/fd/{file.fileno()}", 0)


def last_words(log: Path, lines: int = 8) -> str:
    """Return the end of a log, indented for an error message."""
    try:
        tail = _tail(log, lines) or ["(it printed nothing)"]
    except OSError as error:
        tail = [f"({log} cannot be read: {error.strerror})"]
    return "\n".join(f"  | {line}" for line in tail)


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty; "" where there is none, or the log cannot be read."""
    try:
        return "".join(_tail(log, 1))
    except OSError:
        return ""


def _tail(log: Path, lines: int) -> list[str]:
    with open_regular(log) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        text = file.read(_TAIL_BYTES).decode("utf-8", "replace").strip()
    return text.splitlines()[-lines:]
