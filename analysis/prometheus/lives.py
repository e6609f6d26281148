"""The lives of one series: the stretches between which its process was started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis.external.starts import CLOCK_STEP_S, same_starts
from analysis.judge.types import Numbers
from analysis.prometheus.answers import NAME, Labels, Series

GOES_ON_S: Final = 600.0
"""Longest time between two samples of a series over which it is taken to go on, seconds; or GOES_ON_STEPS of its usual
steps, if that is longer. Readings that count as watched may be further apart: ``longest_watched_s``."""
GOES_ON_STEPS: Final = 5.0
"""Usual steps between two samples over which a series is taken to go on, where that is longer."""
MOST_UNKNOWN_SHARE: Final = 0.02
"""Share of the samples of memory without a start time, or a count of requests, up to which others stand for them."""
PROCESS: Final = ("pod", "instance", "id", "container_id", "uid", "name", "pod_ip")
"""Labels in which processes that run side by side differ: what has none may be a sum of them."""
RELEASE: Final = ("image", "image_id", "node", "pod_template_hash", "controller_revision_hash")
"""Labels that several processes share, and that a roll-out changes."""
IDENTITY: Final = (*PROCESS, *RELEASE)
"""Labels that change with a roll-out."""


@dataclass(frozen=True, slots=True)
class Lives:
    """One series of memory, cut into lives."""

    series: Series
    life: Numbers
    """Number of the life of each sample, from 0, shape (n,)."""
    restarts: int
    """Lives but the first."""
    known: bool
    """Whether start times were there, so that no restart is missed."""
    several: int = 0
    """Number of start times that take turns, as those of several processes behind one address do; 0 where none do."""


def cut_lives(memory: tuple[Series, ...], starts: tuple[Series, ...]) -> tuple[Lives, ...]:
    """Return each series of memory with its lives; ``starts`` are start times, seconds since 1970.

    Start times belong to the memory of equal labels, else to that of the same pod, else of the same instance. Where
    several do, as those of the containers of a pod, and they differ, none are.
    """
    exact = {one.labels: one for one in starts}
    return tuple(_cut(one, exact.get(one.labels) or _start_of(one, starts)) for one in memory)


def _start_of(memory: Series, starts: tuple[Series, ...]) -> Series | None:
    shared = [one for one in starts if shares_process(memory, one) and np.isfinite(one.value).any()]
    found = [one for one in shared if agree(memory, one)] or shared
    values = [one.value[np.isfinite(one.value)] for one in found]
    processes = [len(np.unique(same_starts(those))) for those in values]
    alike = not found or set(processes) == {len(np.unique(same_starts(np.concatenate(values))))}
    return found[0] if found and alike else None


def agree(one: Series, other: Series) -> bool:
    """Return whether no label of the other series contradicts one of this series."""
    return all(one.label(name) in {"", value} for name, value in other.labels)


def shares_process(one: Series, other: Series) -> bool:
    """Return whether two series are of one process: by pod and namespace where both have a pod, else by instance."""
    for name, beside in (("pod", ("namespace",)), ("instance", ("job",))):
        if one.label(name) and other.label(name):
            return one.label(name) == other.label(name) and all(
                one.label(each) == other.label(each)
                for each in beside
                if one.label(each) and other.label(each)
            )
    return False


def _cut(series: Series, start: Series | None) -> Lives:
    good = np.flatnonzero(np.isfinite(start.value)) if start is not None else np.empty(0, dtype=int)
    if start is None or not len(good):
        return Lives(series, np.zeros(len(series.t_s)), 0, known=False)
    process = same_starts(start.value[good])
    changed = np.flatnonzero(np.diff(process)) + 1
    several = len(np.unique(process)) if len(np.unique(process)) < len(changed) + 1 else 0
    at, covered = _scrapes(series.t_s, start.t_s[good], start.value[good])
    life = np.concatenate([[0.0], np.cumsum(np.diff(process) != 0)])[at]
    number = np.unique(life, return_inverse=True)[1].astype(np.float64)
    known = bool((~covered).mean() <= MOST_UNKNOWN_SHARE)
    return Lives(series, number, int(number.max(initial=0.0)), known=known, several=several)


def _scrapes(
    t_s: Numbers, scraped_s: Numbers, start_s: Numbers
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the place of the scrape whose process each sample is of, and whether that is known.

    That is the newest one with the sample or before it, within ``goes_on_s``; else the next one, where its process had
    been started by then.
    """
    longest_s = goes_on_s(scraped_s)
    following = np.searchsorted(scraped_s, t_s, side="right")
    before = np.clip(following - 1, 0, None)
    after = np.clip(following, None, len(scraped_s) - 1)
    recent = (following > 0) & (t_s - scraped_s[before] <= longest_s)
    started = (following < len(scraped_s)) & (start_s[after] <= t_s + CLOCK_STEP_S)
    return np.where(~recent & started, after, before), recent | started


def goes_on_s(t_s: Numbers) -> float:
    """Return the longest time between two of these samples, in order, over which their series goes on, seconds."""
    return max(GOES_ON_S, GOES_ON_STEPS * float(np.median(np.diff(t_s)))) if len(t_s) > 1 else GOES_ON_S


def workload(labels: Labels) -> Labels:
    """Return the labels that a roll-out leaves as they are."""
    return tuple((name, value) for name, value in labels if name not in IDENTITY and name != NAME)
