"""The planned load's requests per second of processor time, against plain users of Locust that send the same ones."""

from __future__ import annotations

from typing import Final

from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.locust import Load, cost_of
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
from bench.harness.servers import Command, Place

COMPARED: Final = (
    ("planned load at 4,000/s / FastHttpUser at its most", 0.9, Load(True, 4000), Load(False)),
    ("planned load / FastHttpUser, both at 600/s", 0.9, Load(True, 600), Load(False, 600)),
    (
        "planned load at 1,000/s a worker, 4 workers / 1",
        0.9,
        Load(True, 4000, workers=4),
        Load(True, 1000, workers=1),
    ),
)
"""Name of a ratio, its goal, and the two loads."""


def compare_loads(place: Place, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of requests per second of processor time of the processes that send.

    Each round has processes of its own. Raises HarnessError when a load does not begin.
    """
    found = []
    with place.serving(Command("answering", ("-m", "bench.targets.answering"))) as server:
        for name, goal, *loads in COMPARED:
            values: dict[Load, list[float]] = {load: [] for load in loads}
            for number in range(rounds.count):
                costs = {
                    load: cost_of(place, server, load, rounds.seconds) for load in in_turn(loads, number)
                }
                for load, cost in costs.items():
                    values[load].append(cost.per_cpu_s)
                latest = " and ".join(
                    f"{costs[load].per_cpu_s:,.0f} at {costs[load].rps:,.0f}/s" for load in loads
                )
                progress.say(f"{name}, round {number + 1} of {rounds.count}: {latest}")
            ratio = estimate(ratios(*values.values()))
            found.append(Finding(name, Goal(goal, at_least=True), "x", ratio))
    return found
