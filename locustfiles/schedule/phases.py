"""The phases of a load, second by second."""

from __future__ import annotations

import math
from dataclasses import dataclass

from soak.contract import DRAIN, DRAIN_MARGIN_S, LOAD, WARMUP, Traffic
from soak.contract.evidence import HISTOGRAM_S, spacing


def longest_drain_s(traffic: Traffic) -> float:
    """Return the longest wait for requests in flight at the end of the load, seconds."""
    return traffic.max_lateness_s + traffic.network_timeout_s + DRAIN_MARGIN_S


@dataclass(frozen=True, slots=True)
class Timetable:
    """The first whole second (``t_s``) of each phase. A second that the load touches belongs to the load."""

    warmup_s: int
    load_s: int
    drain_s: int
    histogram_s: int = HISTOGRAM_S
    """Length of an interval of the histogram log, seconds."""

    @classmethod
    def of(cls, traffic: Traffic, start_s: float) -> Timetable:
        """Return the timetable of a run whose warm-up starts at ``start_s`` (``t_s``)."""
        load_s = start_s + traffic.warmup_s
        return cls(
            math.floor(start_s),
            math.floor(load_s),
            math.ceil(load_s + traffic.load_s),
            HISTOGRAM_S * spacing(traffic.load_s),
        )

    def phase(self, second: int) -> str:
        """Return the phase of a second."""
        return self._phase(second)[0]

    def interval_s(self, second: int) -> int:
        """Return the first second of the interval that holds a second; no interval spans two phases."""
        return second - (second - self._phase(second)[1]) % self.histogram_s

    def _phase(self, second: int) -> tuple[str, int]:
        if second < self.load_s:
            return WARMUP, self.warmup_s
        return (LOAD, self.load_s) if second < self.drain_s else (DRAIN, self.drain_s)
