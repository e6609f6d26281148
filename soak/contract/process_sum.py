"""The sum of a reading over the processes of an arm: one rule for the recording, terminal, web UI and Prometheus.

A sum that lacks the reading of a process which has it at another moment is unknown: it would look like memory that was
freed. A process that never has the reading, such as a launcher without a probe, adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

MOST_COLUMNS: Final = 4096
"""Readings of an arm whose processes are remembered: as many as the gauges of a hundred processes."""


def process_sum(readings: Mapping[Any, float | None], known: Set[Any]) -> float | None:
    """Return the sum of one tick's readings by process; None where it is unknown or nothing was read.

    ``known`` holds the processes that have the reading at this or another moment.
    """
    if any(value is None and process in known for process, value in readings.items()):
        return None
    read = [value for value in readings.values() if value is not None]
    return sum(read) if read else None


class ProcessSums:
    """The sums of one arm, tick after tick; remembers which of the processes alive has had which reading.

    Of MOST_COLUMNS readings, the newest: a target may give its gauges new names at each tick.
    """

    def __init__(self) -> None:
        self._known: dict[str, Set[Any]] = {}

    def add(self, column: str, readings: Mapping[Any, float | None]) -> float | None:
        """Take the readings of the next tick by process; return their sum as ``process_sum``."""
        read = {process for process, value in readings.items() if value is not None}
        known = self._known[column] = read | (self._known.pop(column, set()) & readings.keys())
        if len(self._known) > MOST_COLUMNS:
            del self._known[next(iter(self._known))]
        return process_sum(readings, known)
