"""The shortest load after which an arm can be cleared, known before the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from soak.config.profile import Profile
from soak.contract.evidence import MIN_QUIESCE_POINTS, MIN_READINGS_UNDER_LOAD
from soak.contract.units import clock_text

RESERVE_BYTES: Final = 2**20
"""Bytes of an arm's reserve for which a plan is computed: an arena of Python's allocator, or what malloc keeps free.

The reserve is memory which may be free and which no allocator reports; a run's own is known only when it has ended."""
RATE_IS_THE_MEAN: Final = ("steady", "diurnal")
"""Shapes of the load whose ``rate_rps`` is the mean rate."""

TOO_SHORT: Final = (
    "the planned load is shorter: no such arm can be cleared; raise phases.load_s or judge.max_leak"
)


@dataclass(frozen=True, slots=True)
class ShortestLoad:
    """The least load by which NO LEAK is possible; a leak can be called earlier."""

    requests: int | None
    """Requests per arm that are needed; None where the margin is per time."""
    load_s: float | None
    """Seconds that are needed; None where only the number of requests is known beforehand."""
    planned_s: float
    """Seconds of load that the profile plans."""

    @property
    def too_short(self) -> bool:
        """Whether the planned load is known to be shorter."""
        return self.load_s is not None and self.load_s > self.planned_s

    def __str__(self) -> str:
        requests = "" if self.requests is None else f"{self.requests:,} requests"
        if self.load_s is None:
            needed = requests
        else:
            needed = clock_text(math.ceil(self.load_s)) + (f" ({requests})" if requests else "")
        return (
            f"shortest load that can clear: {needed} at a reserve of {RESERVE_BYTES >> 20} MiB; "
            f"planned {clock_text(self.planned_s)}"
        )


def shortest_load(profile: Profile) -> ShortestLoad:
    """Return the shortest load after which an arm with a reserve of RESERVE_BYTES can be cleared.

    An arm is cleared where the upper bound of its leak plus its reserve, divided by the requests or seconds of the
    load, is below the margin. The bound is at least 0, so that reserve / margin of them are needed. With a time to OOM
    as the margin, that margin is at most the limit over this time.
    """
    planned_s, per_s, requests = profile.phases.load_s, None, None
    if (margin := profile.judge.margin) is None:
        per_s = (profile.limit.memory or math.inf) / (profile.judge.min_time_to_oom or 1.0)
    elif margin.per_request is None:
        per_s = margin.per_s
    else:
        requests = math.ceil(RESERVE_BYTES / margin.per_request)
        traffic = profile.traffic
        if traffic.locustfile is None and traffic.shape in RATE_IS_THE_MEAN:
            per_s = margin.per_request * traffic.rate_rps
    load_s = None if per_s is None else max(RESERVE_BYTES / per_s, _least_judged_s(profile))
    return ShortestLoad(requests, load_s, planned_s)


def _least_judged_s(profile: Profile) -> float:
    """Return the seconds of load that the judge needs: its readings or, with quiesce points, those points.

    The last point of the warm-up is the first of them.
    """
    sampling, warmup_s = profile.sampling, profile.phases.warmup_s
    if (every_s := sampling.quiesce_every_s) is None:
        return MIN_READINGS_UNDER_LOAD * sampling.every_s
    before = int(warmup_s / every_s + 1e-9)
    return (before + MIN_QUIESCE_POINTS - min(before, 1)) * every_s - warmup_s
