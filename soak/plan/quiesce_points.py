"""Quiesce points: when the load pauses, and when in a pause the arms are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from soak.contract import Traffic

SETTLED_SHARE = 0.5
"""Of a pause: what was in flight has had so long to end."""


@dataclass(frozen=True, slots=True)
class Point:
    """One quiesce point, ``t_s``."""

    at_s: float
    """When the arms are collected and read."""
    end_s: float
    """When requests start again; what is read later is not settled."""


def points(traffic: Traffic, start_s: float) -> Iterator[Point]:
    """Yield the points of a load whose warm-up starts at ``start_s`` (``t_s``), one in each of its whole pauses."""
    every_s = traffic.quiesce_every_s
    if every_s is None:
        return
    end_s = traffic.warmup_s + traffic.load_s
    for number in range(1, int(end_s / every_s + 1e-9) + 1):
        pause_end_s = start_s + number * every_s
        yield Point(pause_end_s - (1 - SETTLED_SHARE) * traffic.quiesce_pause_s, pause_end_s)
