"""The planned load's requests per second of processor time, against plain users of Locust that send the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.locust import Load, cost_of
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
from bench.harness.servers import Command, Place, Server

RATES_RPS: Final = (600, 2000, 4000)
"""Requests per second of both loads, all arms together."""
GOAL: Final = Goal(0.9, at_least=True)
TARGET: Final = Command("answering", ("-m", "bench.targets.answering"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio of requests per second of processor time, of the first load to the second."""

    name: str
    load: Load
    peer: Load


PLANNED: Final = {rps: Load(True, rps) for rps in RATES_RPS}
FOUR_WORKERS: Final = Load(True, 4000, workers=4)
AT_ONE_RATE: Final = tuple(
    Comparison(f"planned load / FastHttpUser, both at {rps:,}/s", load, Load(False, rps))
    for rps, load in PLANNED.items()
)
COMPARED: Final = (
    (
        AT_ONE_RATE[0],
        Comparison(
            "planned load / FastHttpUser not in step, both at 600/s",
            PLANNED[600],
            Load(False, 600, apart=True),
        ),
    ),
    *((one,) for one in AT_ONE_RATE[1:-1]),
    (
        AT_ONE_RATE[-1],
        Comparison("planned load at 4,000/s / FastHttpUser at its most", PLANNED[4000], Load(False)),
    ),
    (
        Comparison(
            "planned load at 1,000/s a worker, 4 workers / 1",
            FOUR_WORKERS,
            Load(True, 1000, workers=1),
        ),
        Comparison(
            "planned load / FastHttpUser, both of 4 workers at 1,000/s each",
            FOUR_WORKERS,
            Load(False, 4000, workers=4),
        ),
    ),
)
"""Comparisons whose loads are measured in turn in each round."""


def compare_loads(place: Place, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of requests per second of processor time of the processes that send.

    Each round has processes of its own. Raises HarnessError when a load does not begin.
    """
    with place.serving(TARGET) as server:
        return [
            finding
            for together in COMPARED
            for finding in _compare(place, server, together, rounds, progress)
        ]


def _compare(
    place: Place, server: Server, together: tuple[Comparison, ...], rounds: Rounds, progress: Progress
) -> Iterator[Finding]:
    loads = tuple(dict.fromkeys(load for compared in together for load in (compared.load, compared.peer)))
    values: dict[Load, list[float]] = {load: [] for load in loads}
    for number in range(rounds.count):
        costs = {load: cost_of(place, server, load, rounds.seconds) for load in in_turn(loads, number)}
        for load, cost in costs.items():
            values[load].append(cost.per_cpu_s)
        latest = ", ".join(f"{costs[load].per_cpu_s:,.0f} at {costs[load].rps:,.0f}/s" for load in loads)
        progress.say(f"{together[0].name}, round {number + 1} of {rounds.count}: {latest}")
    for compared in together:
        ratio = estimate(ratios(values[compared.load], values[compared.peer]))
        yield Finding(compared.name, GOAL, "x", ratio)
