"""The log of a child process: following it, and its last words."""

from __future__ import annotations

import os
from pathlib import Path


def last_words(log: Path, lines: int = 8) -> str:
    """Return the end of a log, indented for an error message."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        text = file.read().decode("utf-8", "replace").strip()
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:]) or "  | (it printed nothing)"


class LogFollower:
    """Reads what a process has printed since the last look, whole lines only."""

    def __init__(self, log: Path, *, offset: int = 0) -> None:
        self._log = log
        self._offset = offset

    def new_lines(self) -> list[str]:
        """Return the lines that have come; none when the file is not there yet."""
        try:
            with self._log.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # the log was capped
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        return whole.decode("utf-8", "replace").splitlines()
