"""The end of a child process's log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NOTHING: Final = "(it printed nothing)"


def last_words(log: Path, lines: int = 8) -> str:
    """Return the end of a log, indented for an error message."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        text = file.read().decode("utf-8", "replace").strip()
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:]) or f"  | {NOTHING}"


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty; "" where there is none, or the log cannot be read."""
    try:
        lines = last_words(log, 1).removeprefix("  | ")
    except OSError:
        return ""
    return "" if lines == NOTHING else lines
