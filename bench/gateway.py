"""The fixed gateway's speed, against the published fix and against a pass-through that does nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from bench.harness.client import Client
from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
from bench.harness.servers import Command, Place, gateway

FIXED, PUBLISHED, PASSTHROUGH = "fixed", "published_fix", "pass-through"
GOALS: Final = {PUBLISHED: 2.2, PASSTHROUGH: 0.97}
"""What `fixed` is to reach, as a multiple of each peer."""


def compare_builds(place: Place, client: Client, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of requests per second, and per second of the server's processor time, all caches full.

    Raises HarnessError when a server does not start or does not answer well.
    """
    caching = (
        gateway(FIXED, "fixed", place.upstream),
        gateway(PUBLISHED, "published_fix", place.upstream),
    )
    commands = (*caching, Command(PASSTHROUGH, ("-m", "bench.targets.passthrough", place.upstream)))
    rates: dict[str, list[float]] = {command.name: [] for command in commands}
    per_cpu_s: dict[str, list[float]] = {command.name: [] for command in commands}
    with ExitStack() as stack:
        servers = [stack.enter_context(place.serving(command)) for command in commands]
        for server in servers[: len(caching)]:
            progress.say(f"{server.name}: {client.fill(server):,} requests fill its cache")
        for number in range(rounds.count):
            for server in in_turn(servers, number):
                sent, cpu_s = client.sent, server.cpu_s()
                rates[server.name].append(client.flood(server, rounds.seconds))
                per_cpu_s[server.name].append((client.sent - sent) / (server.cpu_s() - cpu_s))
            latest = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
            progress.say(f"requests/s, round {number + 1} of {rounds.count}: {latest}")
    return [
        Finding(
            f"fixed / {peer}, {unit}",
            Goal(goal, at_least=True),
            "x",
            estimate(ratios(values[FIXED], values[peer])),
        )
        for peer, goal in GOALS.items()
        for unit, values in (("requests/s", rates), ("requests/CPU s", per_cpu_s))
    ]
