"""How the time of a pass is divided among its points."""

from __future__ import annotations

from typing import Final

from soak.contract import MOST_REPLAY_POINTS

WANTED_POINTS: Final = 5
"""Points for which periods are made shorter than LEAST_PERIOD_S: one more than are needed."""
LEAST_PERIOD_S: Final = 0.5
"""Shortest time in which requests are sent between two points, seconds, where there is time for WANTED_POINTS."""
LEAST_S: Final = 0.1
"""Time below which no other period begins, seconds."""
END_S: Final = 3.0
"""Time after the last point for the analysis and the end of all processes, seconds: importing it takes 1 s."""
OVERTIME_SHARE: Final = 1 / 3
"""Time that a slow point and the analysis may take beyond the end of a pass, as a share of the time of the pass."""
LEAST_OVERTIME_S: Final = 5.0
"""The same at the least, seconds: END_S, and 2 s for a busy machine."""
PER_CAPTURE_BYTE_S: Final = 0.2e-6
"""The same for each byte of a capture: reading 12 MB takes 2 s."""
PER_TRACE_S: Final = 1.5e-6
"""The same for each trace in the files of all points: reading and adding up 1 M of them takes 1 s or more."""


def period_s(left_s: float, points: int, cost_s: float) -> float | None:
    """Return how long requests are to be sent until the next point, seconds; None where the time is over.

    ``left_s`` is the time until the last point has to be taken, ``points`` those taken, ``cost_s`` what one takes.
    """
    most = MOST_REPLAY_POINTS - points
    if most <= 0 or left_s < cost_s + LEAST_S:
        return None
    wanted = max(1, WANTED_POINTS - points)
    more = max(min(most, int(left_s / (LEAST_PERIOD_S + cost_s))), min(wanted, most))
    return max(LEAST_S, left_s / more - cost_s)


def end_s(traces: int, capture_bytes: int) -> float:
    """Return the time for all that follows the last point, by the traces of all points and the size of captures."""
    return END_S + PER_TRACE_S * traces + PER_CAPTURE_BYTE_S * capture_bytes


def overtime_s(seconds: float) -> float:
    """Return the time by which a pass of so many seconds may exceed them at most, seconds."""
    return max(LEAST_OVERTIME_S, OVERTIME_SHARE * seconds)
