"""Sends load to a server from a process of its own, with ids that go on from one load to the next."""

from __future__ import annotations

import json
from dataclasses import asdict

from bench.harness.load_client import Plan, Result
from bench.harness.servers import Server
from bench.harness.subprocesses import run_module
from soak.errors import HarnessError

CACHE_ENTRIES = 5000
"""What the gateway's caches hold."""
FILL_TIMEOUT_S = 60.0
LEAD_S = 0.15
SLACK_S = 30.0
"""For the client's start, and answers that come late."""


class Client:
    """Counts the request ids: no request is like an earlier one, whichever server that went to."""

    def __init__(self) -> None:
        self._next_id = 0

    @property
    def sent(self) -> int:
        """Number of requests sent so far, to all servers."""
        return self._next_id

    def fill(self, server: Server) -> int:
        """Send as many requests as a cache has entries; return how many these are.

        Raises HarnessError when that takes too long.
        """
        first_id = self._next_id
        self._load(server, Plan(server.port, first_id, FILL_TIMEOUT_S, requests=CACHE_ENTRIES))
        if (sent := self._next_id - first_id) < CACHE_ENTRIES:
            raise HarnessError(
                f"{server.name} answered {sent} requests in {FILL_TIMEOUT_S:g} s: too slow to fill"
            )
        return sent

    def flood(self, server: Server, seconds: float) -> float:
        """Send as fast as the server answers; return its answers per second."""
        (rate_rps,) = self._load(server, Plan(server.port, self._next_id, seconds, LEAD_S)).answered_rps
        return rate_rps

    def pace(self, server: Server, seconds: float, rate_rps: float) -> float:
        """Send at a fixed rate; return the 99th percentile of the latency in seconds."""
        plan = Plan(server.port, self._next_id, seconds, LEAD_S, rate_rps=rate_rps)
        (p99_s,) = self._load(server, plan).p99_s
        return p99_s

    def load_in_parts(
        self, server: Server, begin_s: float, parts: int, part_s: float, rate_rps: float | None = None
    ) -> Result:
        """Send from ``begin_s`` of the monotonic clock on; the parts follow one another LEAD_S later.

        Without a rate as fast as the server answers. Raises HarnessError when the client began too late.
        """
        return self._load(
            server,
            Plan(
                server.port,
                self._next_id,
                parts * part_s,
                LEAD_S,
                rate_rps=rate_rps,
                parts=parts,
                begin_s=begin_s,
            ),
        )

    def _load(self, server: Server, plan: Plan) -> Result:
        timeout_s = plan.lead_s + plan.seconds + SLACK_S
        printed = run_module(
            f"load of {server.name}",
            "bench.harness.load_client",
            json.dumps(asdict(plan)),
            timeout_s=timeout_s,
        )
        result = Result(**json.loads(printed))
        self._next_id = result.next_id
        if result.failed:
            raise HarnessError(
                f"{server.name}: {result.failed} of its answers were errors; such a load measures nothing"
            )
        return result
