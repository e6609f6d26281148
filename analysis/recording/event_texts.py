"""The events of a recording, as a page shows them."""

from __future__ import annotations

import math
from pathlib import Path

from analysis.formatting import format_hours
from analysis.recording.csv_table import read_table
from soak.contract import EVENTS


def read_events(run_dir: Path) -> tuple[tuple[str, ...], ...]:
    """Return the events as texts: time, event, arm, life, by, detail; what is missing or damaged is left out."""
    frame = read_table(run_dir / EVENTS, ("t_s", "life"), ("event", "arm", "by", "detail")).frame
    return tuple(
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
