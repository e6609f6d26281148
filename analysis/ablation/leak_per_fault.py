"""What each arm of an ablation leaks per request: the slope of its memory, less that of the arm without faults."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from analysis.recording.measurements import life_at_hour_0
from analysis.recording.model import Arm, Recording
from analysis.slopes import LifeSlopes, life_slopes

ALL: Final = "all"
NONE: Final = "none"
SESSIONS_ONLY: Final = "sessions"
FAULTS: Final = ("tasks", SESSIONS_ONLY, "cache", "history", "cycles")
SUM: Final = "sum of the five"


@dataclass(frozen=True, slots=True)
class FaultLeak:
    """One line of the ablation; its fields are the columns of ablation.csv, None where there is no such figure.

    ``ci95`` is half of a 95% interval: the slopes' own, taken for independent of each other.
    """

    arm: str
    requests: int | None = None
    """Successful requests in the stretch of the slopes."""
    rss_bytes_per_request: float | None = None
    rss_ci95_bytes_per_request: float | None = None
    above_none_bytes_per_request: float | None = None
    """Slope of RSS, less that of the arm without faults."""
    above_none_ci95_bytes_per_request: float | None = None
    live_blocks_per_request: float | None = None
    native_bytes_per_request: float | None = None
    sessions_opened: int | None = None
    """Sessions opened in that stretch; of the arm that leaks sessions only."""
    above_none_bytes_per_session: float | None = None


def fault_leaks(recording: Recording) -> tuple[FaultLeak, ...]:
    """Return all faults, the sum of the single ones, each alone, and none; every arm must have been recorded."""
    trends = {arm.name: _trend(recording, arm) for arm in recording.arms}
    base = trends[NONE]
    lines = {name: _fault_leak(name, trends[name], base) for name in (ALL, *FAULTS, NONE)}
    singles = tuple(lines[name] for name in FAULTS)
    return (lines[ALL], _sum(singles, base), *singles, lines[NONE])


def _trend(recording: Recording, arm: Arm) -> LifeSlopes | None:
    life, load = life_at_hour_0(recording, arm), recording.load
    return None if life is None or load is None else life_slopes(arm, life, load)


def _fault_leak(arm: str, trend: LifeSlopes | None, base: LifeSlopes | None) -> FaultLeak:
    if trend is None or trend.rss_bytes_per_request is None:
        return FaultLeak(arm)
    rss, blocks = trend.rss_bytes_per_request, trend.live_blocks_per_request
    native, sessions = trend.malloc_in_use_bytes_per_request, trend.sessions_open_per_request
    own = FaultLeak(
        arm,
        requests=trend.requests,
        rss_bytes_per_request=rss.value,
        rss_ci95_bytes_per_request=rss.half,
        live_blocks_per_request=blocks.value if blocks else None,
        native_bytes_per_request=native.value if native else None,
    )
    if arm == NONE or base is None or base.rss_bytes_per_request is None:
        return own
    above = rss.value - base.rss_bytes_per_request.value
    opens = arm == SESSIONS_ONLY and sessions is not None and sessions.low > 0
    return replace(
        own,
        above_none_bytes_per_request=above,
        above_none_ci95_bytes_per_request=math.hypot(rss.half, base.rss_bytes_per_request.half),
        sessions_opened=round(sessions.value * trend.requests) if opens and sessions else None,
        above_none_bytes_per_session=above / sessions.value if opens and sessions else None,
    )


def _sum(singles: tuple[FaultLeak, ...], base: LifeSlopes | None) -> FaultLeak:
    """Add up the single faults; the arm without faults is subtracted, with its error, once for each."""
    above = [line.above_none_bytes_per_request for line in singles]
    own = [line.rss_ci95_bytes_per_request for line in singles]
    if base is None or base.rss_bytes_per_request is None or None in above:
        return FaultLeak(SUM)
    return FaultLeak(
        SUM,
        above_none_bytes_per_request=sum(value for value in above if value is not None),
        above_none_ci95_bytes_per_request=math.hypot(
            *(half for half in own if half is not None), len(singles) * base.rss_bytes_per_request.half
        ),
    )
