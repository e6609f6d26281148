"""The requests that a service answered, over all of its lives: a counter that is set back goes on."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from analysis.prometheus.answers import Series
from analysis.prometheus.lives import agree, goes_on_s, shares_process
from analysis.prometheus.queries import Query
from soak.errors import RecordingError

EDGE_STEPS: Final = 2.0
"""Usual steps before the first and after the last sample for which requests are known: the next sample is not there
yet, or what was asked for begins between two."""
EDGE_S: Final = 60.0
"""That time is at least so long, seconds: scrapes may be late or fail, of a counter with labels the first sample comes
with the first request, and a minute decides no rate."""
MOST_FALLS_SHARE: Final = 0.1
"""Share of the steps that fall from which on values are no counter: one process is not set back every few samples."""
MIN_STEPS: Final = 20
"""Steps of a series that move, from which on their falls are counted."""


def requests_of(memory: Series, requests: tuple[Series, ...]) -> tuple[Series, ...]:
    """Return the series of requests that are those of one process; none where that is not clear.

    They are of the same pod or instance. Series without either, as those of a sum, are those of every process. Of
    several, those count whose other labels are equal, as far as both have them.
    """
    anyone = tuple(one for one in requests if not (one.label("pod") or one.label("instance")))
    found = anyone or tuple(one for one in requests if shares_process(memory, one))
    equal = tuple(one for one in found if agree(memory, one))
    return equal or (() if len(anyone) > 1 else found)


def check_counters(requests: tuple[Series, ...], query: Query) -> None:
    """Raise RecordingError where values that should be a counter's fall repeatedly."""
    for one in requests if not query.is_rate else ():
        steps = np.diff(one.value[np.isfinite(one.value)])
        moved = steps[steps != 0]
        if len(moved) >= MIN_STEPS and (moved < 0).mean() > MOST_FALLS_SHARE:
            raise RecordingError(
                f"{query.option}: its values fall repeatedly, so they are no counter; give a counter, or requests "
                "per second by rate()."
            )


def answered(requests: tuple[Series, ...], query: Query, t_s: Numbers) -> Numbers:
    """Return the requests answered since the first sample at each of ``t_s``, increasing times, shape (n,).

    The sum of all series; NaN where none of them was read for longer than ``goes_on_s``, and before the first
    and after the last sample from EDGE_STEPS steps on, or EDGE_S.
    """
    total, known = np.zeros(len(t_s)), np.zeros(len(t_s), dtype=bool)
    for one in requests:
        read = np.isfinite(one.value)
        times, value = one.t_s[read], one.value[read]
        if len(times) < 2:
            continue
        steps_s = np.diff(times)
        usual_s = float(np.median(steps_s))
        longest_s, edge_s = goes_on_s(times), max(EDGE_STEPS * usual_s, EDGE_S)
        gained = _gained(value, steps_s, longest_s, query)
        # until the next samples, which are not there yet, as in the step before
        gained = np.append(gained, gained[-1] * edge_s / steps_s[-1])
        so_far = np.concatenate([[0.0], np.cumsum(gained)])
        total += np.interp(t_s, np.append(times, times[-1] + edge_s), so_far)
        after = np.clip(np.searchsorted(times, t_s), 1, len(times) - 1)
        within = (t_s >= times[0] - edge_s) & (t_s <= times[-1] + edge_s)
        known |= within & ((steps_s[after - 1] <= longest_s) | np.isin(t_s, times))
    return np.where(known, total, np.nan)


def _gained(value: Numbers, steps_s: Numbers, longest_s: float, query: Query) -> Numbers:
    """Return the requests of each step."""
    if query.is_rate:
        mean = np.maximum((value[1:] + value[:-1]) / 2, 0.0)
        return np.asarray(mean * np.minimum(steps_s, longest_s))
    gained = np.diff(value)
    if query.is_selector:
        return np.where(gained < 0, value[1:], gained)  # a counter that falls began again at 0
    # A sum of counters falls by what one of them had, which was set back, or not read: then it rises by as much.
    for fall in np.flatnonzero(gained < 0):
        back = np.flatnonzero(gained[fall + 1 :] >= -gained[fall] / 2)
        gained[fall + 1 + back[:1]] = 0.0
    return np.maximum(gained, 0.0)
