"""The requests of the newest seconds of requests.csv."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from soak.contract import FAILURE_KINDS
from soak.contract.tail import CsvTail, cell_number

NEWEST_S: Final = 10
"""Seconds whose mean is shown: those between two lines of the progress display."""
STEADY_RPS: Final = 5
"""Planned requests per second from which on a second without any is a pause of the load, and is left out."""


class RequestTail:
    """Follows an arm's requests.csv as Locust writes it; keeps the newest whole rows."""

    def __init__(self, path: Path) -> None:
        self._tail = CsvTail(path)
        self._newest: deque[Mapping[str, float]] = deque(maxlen=NEWEST_S)
        self._newest_s = 0.0

    def rates(self, now_s: float) -> Mapping[str, float]:
        """Return planned, ok and failed requests per second of load, mean of its newest.

        Nothing before the first, nor once none came for NEWEST_S: the load is over, or nobody reports it any more.
        """
        for row in self._tail.new_rows():
            t_s, planned, ok = cell_number(row, "t_s"), cell_number(row, "planned"), cell_number(row, "ok")
            if t_s is None or planned is None or ok is None:  # a damaged row
                continue
            names = ("missed", *(f"failed_{kind}" for kind in FAILURE_KINDS))
            failed = sum(cell_number(row, name) or 0.0 for name in names)
            self._newest_s = t_s
            self._newest.append({"planned": planned, "ok": ok, "failed": failed})
        if now_s - self._newest_s > NEWEST_S:
            return {}
        loaded = [second for second in self._newest if second["planned"]]
        if sum(second["planned"] for second in loaded) < STEADY_RPS * max(1, len(loaded)):
            loaded = list(self._newest)
        if not loaded:
            return {}
        return {name: sum(second[name] for second in loaded) / len(loaded) for name in loaded[0]}
