"""The phases of a run, and the rows read while the target rests."""

from __future__ import annotations

from typing import Final

IDLE: Final = "idle"
WARMUP: Final = "warm-up"
LOAD: Final = "load"
DRAIN: Final = "drain"
QUIESCE: Final = "quiesce"
PHASES: Final = (IDLE, WARMUP, LOAD, DRAIN, QUIESCE)

RUNGS: Final = ("drained", "collected", "trimmed")
"""The quiesce ladder: after the drain, after ``gc.collect``, after ``malloc_trim``."""

POINT: Final = "point"
"""The rung of a quiesce point, no part of the ladder: read in a pause of the load, after ``gc.collect``."""
