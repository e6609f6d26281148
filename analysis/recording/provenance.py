"""The events of a recording and the hashes of its files, as a page shows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from analysis.formatting import format_hours
from analysis.recording.csv_table import read_table
from soak.contract import EVENTS, SUMS


@dataclass(frozen=True, slots=True)
class Provenance:
    """Texts as they are shown."""

    events: tuple[tuple[str, ...], ...]
    """Time, event, arm, life, by, detail."""
    sums: tuple[tuple[str, str], ...]
    """File and SHA-256, as the run noted them at its end; none while it goes on."""


def read_provenance(run_dir: Path) -> Provenance:
    """Read events.csv and SHA256SUMS; what is missing or damaged is left out."""
    frame = read_table(run_dir / EVENTS, ("t_s", "life"), ("event", "arm", "by", "detail")).frame
    events = tuple(
        (
            format_hours(float(t_s) / 3600, with_seconds=True),
            event,
            arm,
            "" if math.isnan(life) else f"{life:.0f}",
            by,
            detail,
        )
        for t_s, life, event, arm, by, detail in frame.to_numpy().tolist()
    )
    try:
        lines = (run_dir / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    sums = tuple((name, hash_) for hash_, _, name in (line.partition("  ") for line in lines) if name)
    return Provenance(events, sums)
