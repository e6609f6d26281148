"""A load in parts, in every second of which something is done: both sides of a ratio come from one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from bench.harness.client import LEAD_S, Client
from bench.harness.estimate import Estimate, estimate, ratios
from bench.harness.load_client import Result
from bench.harness.servers import Server

START_S = 1.5
"""Time for the load client to start, seconds."""


class Parts:
    """What was measured in the parts with the act and in those without."""

    def __init__(self) -> None:
        self.acted: list[float] = []
        self.plain: list[float] = []

    def add(self, values: Sequence[float]) -> None:
        """Take a value for each part of a load, in order."""
        for part, value in enumerate(values):
            (self.acted if has_act(part) else self.plain).append(value)

    def ratio(self) -> Estimate:
        """Return the ratio of each part with the act to the one next to it without."""
        return estimate(ratios(self.acted, self.plain))


def has_act(part: int) -> bool:
    """Return whether something is done in a part: in one of each two, the first and the second in turn."""
    return part % 4 in (0, 3)


def load_and_act(
    client: Client,
    server: Server,
    act: Callable[[], object],
    *,
    parts: int,
    part_s: float,
    rate_rps: float | None = None,
) -> tuple[Result, list[float]]:
    """Load a server, and act at the beginning of every second part.

    Return the results and the server's processor time, seconds, of each part. Raises HarnessError when the load failed,
    and what ``act`` raises.
    """
    begin_s = time.monotonic() + START_S
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(client.load_in_parts, server, begin_s, parts, part_s, rate_rps)
        spent_s = []
        for part in range(parts + 1):
            time.sleep(max(0.0, begin_s + LEAD_S + part * part_s - time.monotonic()))
            spent_s.append(server.cpu_s())
            if part < parts and has_act(part):
                act()
        return loading.result(), [after - before for before, after in pairwise(spent_s)]
