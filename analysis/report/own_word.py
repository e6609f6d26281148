"""What a report has from the target itself: its probe answers from inside the process, so a mark goes with it."""

from __future__ import annotations

from functools import partial
from typing import Final

from analysis.recording.model import Recording
from analysis.verdict.gates import MEASURES
from soak.contract import HOLDER_COLUMNS, PROBE_COLUMNS, STUCK_COLUMNS

MARK: Final = "†"
REPORTED: Final = frozenset(
    column.name for column in (*PROBE_COLUMNS, *HOLDER_COLUMNS, *STUCK_COLUMNS) if column.by_probe
)
"""Columns that the target reports."""
GATES: Final = frozenset(
    name
    for name, measure in MEASURES.items()
    if isinstance(measure, partial) and measure.keywords.get("column") in REPORTED
)
"""Gates whose measure the target reports."""
UNITS: Final = frozenset({"tasks", "sessions", "entries"})
"""Units of the rows of a comparison that the target reports."""
HEADS: Final = frozenset({"retained by"})
"""Columns of tables that the target reports."""
LEGEND: Final = (
    f"{MARK} The target's own word: what is inside the process is reported by its probe. That is the memory that its "
    "allocators have in use and free, tasks, sessions, gauges, what retains a leak, and which tasks are stuck. All "
    "else is read from outside: memory of the process and of its limit, CPU, threads, file descriptors, objects by "
    "type, time, and every request. "
    "Free memory by the target's own word clears no arm: it is confirmed by the pools that heap censuses see and by "
    "what malloc_trim gives back, or the verdict is INCONCLUSIVE."
)
"""What the mark means."""
OF_ARMS: Final = (
    f" Of an arm with {MARK}, which ran elsewhere, memory, CPU and descriptors are its own word, too: its "
    "metrics. Only time and requests are read from outside."
)
"""What the mark means beside an arm; follows LEGEND where one has it."""


def own_word(recording: Recording) -> dict[str, object]:
    """Return what a page marks, and what the mark means."""
    arms = {arm.name for arm in recording.arms if arm.url}
    legend = LEGEND + OF_ARMS if arms else LEGEND
    return {"gates": GATES, "heads": HEADS, "arms": arms, "mark": MARK, "legend": legend}
