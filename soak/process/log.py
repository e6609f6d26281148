"""The end of a child process's log."""

from __future__ import annotations

from pathlib import Path


def last_words(log: Path, lines: int = 8) -> str:
    """Return the end of a log, indented for an error message."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        text = file.read().decode("utf-8", "replace").strip()
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:]) or "  | (it printed nothing)"
