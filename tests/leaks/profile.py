"""A case as a soak profile: which arm leaks is not in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.plan.shortest_load import RESERVE_BYTES
from tests.leaks.case import CASES, Case

MAX_RPS: Final = 300.0
"""At any time: what a pause of the load pushes aside is sent in the rest of its period."""
POINT_EVERY_S: Final = 10
FEWEST_POINTS: Final = 12
PAUSE_S: Final = 2.0
"""Half of it must hold a full collection of what the worst case leaks, a million objects, on a busy machine."""
MAX_LATENESS_S: Final = 5
"""What matters is that the requests arrive; a full collection of a leaky arm's heap may hold them up."""
ARMS: Final = ("a", "b")
LEAST_MARGIN: Final = 30
"""Bytes per request: the smallest leak is 80 B, and no fixed release keeps more than 20 B."""
CLEARS: Final = 1.2 * RESERVE_BYTES
"""Bytes that the margin is over a load, at least: the reserve, and a fifth for the interval of what is in use."""
AROUND_S: Final = 2 + 3 + 3 + 12 + 30
"""Idle, drain, ladder; starting, stopping and the report; the replay."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a case is loaded."""

    rps: int
    warmup_s: int
    load_s: int
    point_every_s: int
    pause_s: float
    """Of the load, at each quiesce point."""

    @property
    def takes_s(self) -> float:
        """The whole run, about."""
        return self.warmup_s + self.load_s + AROUND_S


def effort(case: Case, load_s: int) -> Effort:
    """Return the most that the case allows; the warm-up is a whole number of quiesce points."""
    point_every_s = max(2, min(POINT_EVERY_S, load_s // FEWEST_POINTS))
    pause_s = min(PAUSE_S, point_every_s / 4)
    rps = min(MAX_RPS * (1 - pause_s / point_every_s), case.max_rps or MAX_RPS)
    if case.max_requests is not None:
        rps = min(rps, (case.max_requests - case.warmup_requests) / load_s)
    points = math.ceil(case.warmup_requests / rps / point_every_s)
    return Effort(max(1, int(rps)), points * point_every_s, load_s, point_every_s, pause_s)


def margin(case: Case, effort: Effort) -> str:
    """Return the case's own margin, or the least that can be cleared by so many requests."""
    clears = math.ceil(CLEARS / (effort.rps * effort.load_s))
    return case.max_leak or f"{max(LEAST_MARGIN, clears)} B/request"


def profile_text(case: Case, interpreters: Sequence[Path], effort: Effort, memray: Path | None = None) -> str:
    """Return the profile; ``interpreters`` are the arms', in their order, ``memray`` is the directory of theirs."""
    lines = [
        "[phases]",
        "idle_s = 2",
        f"warmup_s = {effort.warmup_s}",
        f"load_s = {effort.load_s}",
        "drain_s = 3",
        "quiesce_s = 3",
        "[sampling]",
        f"quiesce_every_s = {effort.point_every_s}",
        f"quiesce_pause_s = {effort.pause_s}",
        f"census_every_s = {max(5, effort.point_every_s)}",
        "[traffic]",
        'path = "/api"',
        f"rate_rps = {effort.rps}",
        f"warmup_rps = {effort.rps}",
        "request_bytes = 64",
        "warmup_request_bytes = 64",
        "users_per_arm = 32",
        f"max_lateness_s = {MAX_LATENESS_S}",
        "[judge]",
        f'max_leak = "{margin(case, effort)}"',
        "live = false",
    ]
    if not (case.lines or case.native_lines) and case.leak_class:
        lines += ["[replay]", "seconds = 0"]  # what is to be shown is the verdict alone
    elif memray is not None:
        lines += ["[replay]", f"memray = {json.dumps(str(memray))}"]
    if case.limit:
        lines += ["[limit]", f'memory = "{case.limit}"']
    preload = f", LD_PRELOAD = {json.dumps(case.preload)}" if case.preload else ""
    for arm, interpreter, release in zip(ARMS, interpreters, case.releases, strict=False):
        command = [_literal(interpreter), _literal(case.app), "{port}", *release.arguments]
        lines += [
            f"[arms.{arm}]",
            f"command = {json.dumps(command)}",
            'ready = "port"',
            f"env = {{ PYTHONPATH = {json.dumps(_literal(CASES))}{preload} }}",
        ]
    return "\n".join(lines) + "\n"


def _literal(path: Path) -> str:
    """Return a path as a word without placeholders."""
    return str(path).replace("{", "{{").replace("}", "}}")
