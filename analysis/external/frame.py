"""Judge memory recorded by another tool: a DataFrame goes in, a plain dictionary comes out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.judge import judge_signal, unusable_judgement
from analysis.judge.types import ARENA_BYTES, LEAK, Judgement, Margin, Numbers, ReasonCode, SignalSeries
from soak.contract.units import DEFAULT_MAX_LEAK

MIN_USS_READINGS: Final = 40
"""Readings of USS from which on it is judged instead of RSS."""


def judge_frame(
    frame: pd.DataFrame, *, bounded: bool | None = None, detectable: bool = True
) -> dict[str, Any]:
    """Judge the memory of one service.

    Columns: ``time_s`` and ``rss_bytes`` or ``uss_bytes``; ``requests_total``, ``pid`` and ``restart_id`` where they
    are known. Cells may be NaN and rows missing. ``attrs``: ``margin_bytes_per_s`` (1 MiB per hour where it is missing
    or no positive number) and ``memory_limit_bytes`` (of RSS). ``bounded`` and ``detectable`` are those of
    :func:`analysis.judge.judge_signal`.

    Returns ``verdict`` (leak, no_leak or inconclusive), ``reason``, and floats or None where it was not computed:
    ``slope_bytes_per_s`` with its 95% interval ``ci_low`` to ``ci_high``, ``mde_bytes_per_s``, and of a leak with a
    limit ``oom_eta_low_s`` to ``oom_eta_high_s``, seconds after the last reading (inf: perhaps never). Bad data are
    inconclusive and raise nothing.
    """
    return _answer(frame_judgement(frame, bounded=bounded, detectable=detectable))


def frame_judgement(
    frame: pd.DataFrame, *, bounded: bool | None = None, detectable: bool = True
) -> Judgement:
    """Return the whole judgement on a frame as :func:`judge_frame` takes it."""
    t_s, rss, uss = (_column(frame, name) for name in ("time_s", "rss_bytes", "uss_bytes"))
    known = t_s[np.isfinite(t_s)]
    if len(known) and (np.diff(known) < 0).any():
        return unusable_judgement("rss_bytes", ReasonCode.TIME_BACKWARDS)
    life = _lives(frame)
    value, shared = _private(t_s, rss, uss, life)
    limit = _positive(frame.attrs.get("memory_limit_bytes"))
    return judge_signal(
        # No process has no memory: 0 is as implausible as a negative value.
        SignalSeries(
            "rss_bytes" if value is rss else "uss_bytes",
            t_s,
            np.where(value == 0, -1.0, value),
            life,
            _requests(frame),
            quantum=ARENA_BYTES,
        ),
        Margin(per_s=_positive(frame.attrs.get("margin_bytes_per_s")) or DEFAULT_MAX_LEAK.per_s),
        limit_bytes=None if limit is None else max(limit - shared, 1.0),
        bounded=bounded,
        detectable=detectable,
    )


def _answer(result: Judgement) -> dict[str, Any]:
    rate, oom = result.per_s, result.oom if result.verdict == LEAK else None
    return {
        "verdict": result.verdict,
        "slope_bytes_per_s": None if rate is None else rate.value,
        "ci_low": None if rate is None else rate.low,
        "ci_high": None if rate is None else rate.high,
        "mde_bytes_per_s": result.detectable_per_s,
        "oom_eta_low_s": None if oom is None else oom.low,
        "oom_eta_high_s": None if oom is None else oom.high,
        "reason": result.reason,
    }


def _private(t_s: Numbers, rss: Numbers, uss: Numbers, life: Numbers) -> tuple[Numbers, float]:
    """Return private memory at every reading, shape (n,), and the shared pages at the end, bytes.

    USS is costly to read and therefore rare: between its readings it is RSS less the shared pages, interpolated from
    where both were read. Without enough readings of USS it is RSS, with the shared pages in it.
    """
    if np.isfinite(uss).sum() < MIN_USS_READINGS:
        return rss, 0.0
    both = np.isfinite(rss) & np.isfinite(uss) & np.isfinite(t_s)
    if both.sum() < MIN_USS_READINGS:
        return uss, 0.0
    value = uss.copy()
    for one in np.unique(life):
        mine = life == one
        if (mine & both).any():
            shared = np.interp(t_s[mine], t_s[mine & both], (rss - uss)[mine & both])
            value[mine] = np.where(np.isfinite(uss[mine]), uss[mine], rss[mine] - shared)
    return value, float(np.median((rss - uss)[both][-max(1, int(both.sum()) // 5) :]))


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _column(frame: pd.DataFrame, name: str) -> Numbers:
    if name not in frame:
        return np.full(len(frame), np.nan)
    cells = frame[name]
    if isinstance(cells, pd.DataFrame):  # two columns of one name: the first counts
        cells = cells.iloc[:, 0]
    if cells.dtype.kind in "mM":
        # Moments or durations, which as plain numbers would be in the unit of the column, e.g. nanoseconds.
        apart = cells if cells.dtype.kind == "m" else cells - cells.min()
        return np.asarray(apart.dt.total_seconds(), dtype=np.float64)
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    return np.where(np.isinf(numbers), np.nan, numbers)


def _lives(frame: pd.DataFrame) -> Numbers:
    """Return the number of each row's life: each pair of restart_id and pid is one."""
    pairs = (
        pd.DataFrame({name: _column(frame, name) for name in ("restart_id", "pid")}).ffill().bfill().fillna(0)
    )
    return np.asarray(pairs.groupby(["restart_id", "pid"], sort=False).ngroup(), dtype=np.float64)


def _requests(frame: pd.DataFrame) -> Numbers:
    """Return the requests since the first row; a counter that falls was reset with its process."""
    done = _column(frame, "requests_total")
    seen = np.flatnonzero(np.isfinite(done))
    if len(seen) < 2:
        return np.full(len(done), np.nan)
    moved = np.diff(done[seen], prepend=done[seen[0]])
    moved = np.where(moved < 0, done[seen], moved)
    total = np.full(len(done), np.nan)
    total[seen] = np.cumsum(np.maximum(moved, 0))
    return total
