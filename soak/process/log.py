"""The end of a child process's log."""

from __future__ import annotations

from pathlib import Path


def last_words(log: Path, lines: int = 8) -> str:
    """Return the end of a log, indented for an error message."""
    return "\n".join(f"  | {line}" for line in _tail(log, lines) or ["(it printed nothing)"])


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty; "" where there is none, or the log cannot be read."""
    try:
        return "".join(_tail(log, 1))
    except OSError:
        return ""


def _tail(log: Path, lines: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        text = file.read().decode("utf-8", "replace").strip()
    return text.splitlines()[-lines:]
