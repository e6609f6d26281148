"""Quiesce points: the instants in the pauses of a load at which the arms are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from soak.contract import Traffic

SETTLED_SHARE = 0.5
"""Share of a pause that passes before the arms are read, so that requests in flight can end."""


@dataclass(frozen=True, slots=True)
class QuiescePoint:
    """A quiesce point; times are ``t_s``."""

    at_s: float
    """Instant at which the arms collect garbage and are read."""
    end_s: float
    """Instant at which requests start again; a reading after it is not settled."""
    is_rehearsal: bool = False
    """Whether the search for holders is rehearsed there: it is the last point of the warm-up."""


def points(traffic: Traffic, start_s: float) -> Iterator[QuiescePoint]:
    """Yield the points of a load whose warm-up starts at ``start_s`` (``t_s``), one in each of its whole pauses."""
    every_s = traffic.quiesce_every_s
    if every_s is None:
        return
    in_warmup, in_all = (
        int(end_s / every_s + 1e-9) for end_s in (traffic.warmup_s, traffic.warmup_s + traffic.load_s)
    )
    for number in range(1, in_all + 1):
        pause_end_s = start_s + number * every_s
        at_s = pause_end_s - (1 - SETTLED_SHARE) * traffic.quiesce_pause_s
        yield QuiescePoint(at_s, pause_end_s, is_rehearsal=number == in_warmup)
