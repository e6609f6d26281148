"""The fixed gateway's speed, against the published fix and against a pass-through that does nothing else."""

from __future__ import annotations

from contextlib import ExitStack

from bench.harness.client import Client
from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
from bench.harness.servers import Command, Place, gateway

FIXED, PUBLISHED, PASSTHROUGH = "fixed", "published_fix", "pass-through"


def compare_builds(place: Place, client: Client, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of requests per second, all caches full.

    Raises HarnessError when a server does not start or does not answer well.
    """
    caching = (
        gateway(FIXED, "fixed", place.upstream),
        gateway(PUBLISHED, "published_fix", place.upstream),
    )
    commands = (*caching, Command(PASSTHROUGH, ("-m", "bench.targets.passthrough", place.upstream)))
    rates: dict[str, list[float]] = {command.name: [] for command in commands}
    with ExitStack() as stack:
        servers = [stack.enter_context(place.serving(command)) for command in commands]
        for server in servers[: len(caching)]:
            progress.say(f"{server.name}: {client.fill(server):,} requests fill its cache")
        for number in range(rounds.count):
            for server in in_turn(servers, number):
                rates[server.name].append(client.flood(server, rounds.seconds))
            latest = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
            progress.say(f"requests/s, round {number + 1} of {rounds.count}: {latest}")
    return [
        Finding(
            "fixed / published_fix, requests/s",
            Goal(2.2, at_least=True),
            "x",
            estimate(ratios(rates[FIXED], rates[PUBLISHED])),
        ),
        Finding(
            "fixed / pass-through, requests/s",
            Goal(0.97, at_least=True),
            "x",
            estimate(ratios(rates[FIXED], rates[PASSTHROUGH])),
        ),
    ]
