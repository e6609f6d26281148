"""A run directory as a run leaves it that has ended: a few files, and their hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from soak.recording.files import record_sums

FILES: Final = {
    "manifest.json": "{}",
    "events.csv": "t_s\n",
    "new/samples.csv": "t_s\n1\n",
    "logs/new.log": "",
    "live.json": "{}",
    "report/summary.json": "{}",
}


def write_ended_run(directory: Path, manifest: str = "{}") -> Path:
    """Write the files and their hashes into a new directory, and return it."""
    for name, text in {**FILES, "manifest.json": manifest}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    record_sums(directory, {})
    return directory
