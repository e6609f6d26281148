"""What a search for holders costs the target: the fixed gateway, before and after the search was rehearsed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.harness.client import Client
from bench.harness.estimate import Finding, Goal, estimate, exactly
from bench.harness.progress import Progress
from bench.harness.servers import Place, Server, gateway
from bench.sampling import probed
from soak.errors import HarnessError
from soak.heap.census import take_census
from soak.heap.model import HeapSuspect
from soak.process.procfs import read_status
from soak.sampling.naming import NOWHERE
from soak.sampling.probe_client import ProbeClient
from soak.sampling.probe_rows import name_holders

SUSPECTS = 12
"""As many containers as a census suspects at most."""
CONTAINERS_OVER = 100
TIMEOUT_S = 30.0
LOAD_S = 1.0
_MIB = 2**20


def cost_of_naming(place: Place, client: Client, rounds: int, progress: Progress) -> list[Finding]:
    """Return the anonymous memory that a rehearsal and the first search after it leave, and the time of a search.

    Each round has a process of its own, with full caches. Memory is that of the worst round: it may be freed as well
    as taken. Raises HarnessError when the server or its probe does not answer.
    """
    left: dict[str, list[float]] = {"rehearsal": [], "search": []}
    seconds = []
    for number in range(rounds):
        with place.serving(gateway("named", "fixed", place.upstream, probed(place))) as server:
            probe = ProbeClient(place.directory, server.child.pid)
            client.fill(server)
            left["rehearsal"].append(_search(server, probe, [NOWHERE])[0])
            client.flood(server, LOAD_S)
            longest = take_census(server.child.pid, containers_over=CONTAINERS_OVER).containers[:SUSPECTS]
            suspects = [HeapSuspect(one.address, one.type, one.length) for one in longest]
            left_mib, took_s = _search(server, probe, suspects)
            left["search"].append(left_mib)
            seconds.append(took_s)
            probe.close()
        progress.say(
            f"search for holders, round {number + 1} of {rounds}: the rehearsal leaves "
            f"{left['rehearsal'][-1]:.1f} MiB, the search after it {left_mib:.1f} MiB in {took_s:.2f} s"
        )
    worst = {name: exactly(max(0.0, *values)) for name, values in left.items()}
    return [
        Finding(
            "search for holders, rehearsal, memory", Goal(12, at_least=False), " MiB", worst["rehearsal"]
        ),
        Finding("the next search, memory", Goal(4, at_least=False), " MiB", worst["search"]),
        Finding("the same, time", Goal(1.0, at_least=False), " s", estimate(seconds)),
    ]


def _search(server: Server, probe: ProbeClient, suspects: Sequence[HeapSuspect]) -> tuple[float, float]:
    """Search the collected server; return the anonymous memory that it has more than before, MiB, and the seconds."""
    probe.ask("collect", TIMEOUT_S)
    before_mib, began_s = _anonymous_mib(server), time.perf_counter()
    name_holders(probe, suspects, TIMEOUT_S)
    took_s = time.perf_counter() - began_s
    return _anonymous_mib(server) - before_mib, took_s


def _anonymous_mib(server: Server) -> float:
    status = read_status(server.child.pid)
    if status is None or status.anon_bytes is None:
        raise HarnessError(f"{server.name}: /proc/{server.child.pid}/status has no RssAnon")
    return status.anon_bytes / _MIB
