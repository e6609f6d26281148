"""The services of the table: what each is like, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.prometheus.simulator import Kind

DAY_H: Final = 24.0
WEEK_H: Final = 168.0
LEAK: Final = 5.0
"""MiB per hour; the margin is 1."""
SEEDS: Final = 3

LEAKING: Final[dict[str, Callable[[Kind], Kind]]] = {
    "plain": lambda kind: kind,
    "sawtooth": lambda kind: replace(kind, sawtooth=True),
    "scrapes lost": lambda kind: replace(kind, lost=0.1),
    "restarts": lambda kind: replace(kind, restarts=2),
    # of seven days in three parts one has two days
    "roll-outs": lambda kind: replace(kind, rollouts=2),
}
"""Ways to live with a leak."""
HEALTHY: Final[dict[str, Callable[[Kind], Kind]]] = {
    "plain": lambda kind: kind,
    "restarts": lambda kind: replace(kind, restarts=3),
    "deploys": lambda kind: replace(kind, deploys=True),
    "deploys of three pods": lambda kind: replace(kind, deploys=True, replicas=3),
}


def leaks() -> tuple[Kind, ...]:
    """Return fifteen services that leak, each under what tells a leak from the load of a day."""
    kinds = (
        Kind("leak, 24 h, steady load", DAY_H, LEAK, daily=False),
        Kind("leak, 7 d, daily load", WEEK_H, LEAK),
        Kind("leak, 7 d, daily load, requests unknown", WEEK_H, LEAK, knows_requests=False),
    )
    return tuple(
        way(replace(kind, name=f"{kind.name}, {name}")) for kind in kinds for name, way in LEAKING.items()
    )


def healthy() -> tuple[Kind, ...]:
    """Return forty-eight services that do not leak, under a daily load: by day and by week, requests known or not."""
    kinds = (
        Kind("healthy, 24 h, daily load", DAY_H),
        Kind("healthy, 24 h, daily load, requests unknown", DAY_H, knows_requests=False),
        Kind("healthy, 7 d, daily load", WEEK_H),
        Kind("healthy, 7 d, daily load, requests unknown", WEEK_H, knows_requests=False),
    )
    return tuple(
        way(replace(kind, name=f"{kind.name}, {name} {number}"))
        for kind in kinds
        for name, way in HEALTHY.items()
        for number in range(1, SEEDS + 1)
    )


def others() -> tuple[Kind, ...]:
    """Return leaks beside the fifteen: those that the guard leaves open, and those that come with requests."""
    kinds = (
        Kind("leak, 24 h, daily load", DAY_H, LEAK),
        Kind("leak, 24 h, daily load, requests unknown", DAY_H, LEAK, knows_requests=False),
        Kind("leak, 24 h, steady load, requests unknown", DAY_H, LEAK, daily=False, knows_requests=False),
        Kind("leak by requests, 7 d, daily load", WEEK_H, LEAK, by_requests=True),
    )
    return tuple(
        way(replace(kind, name=f"{kind.name}, {name}")) for kind in kinds for name, way in LEAKING.items()
    )
