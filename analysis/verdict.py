"""Judge a recording from elsewhere: a DataFrame in, a plain dictionary out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.judge import judge
from analysis.judge.model import Margin, Numbers, Readings

DEFAULT_MARGIN: Final = 2**20 / 3600
"""1 MiB/h, where the frame names none."""
ENOUGH_USS: Final = 40


def judge_frame(frame: pd.DataFrame, *, detectable: bool = True) -> dict[str, Any]:
    """Judge the memory of one service."""
    margin = _positive(frame.attrs.get("margin_bytes_per_s"))
    limit = _positive(frame.attrs.get("memory_limit_bytes"))
    t_s, rss, uss = (_column(frame, name) for name in ("time_s", "rss_bytes", "uss_bytes"))
    if len(t_s) == 0 or not np.isfinite(t_s).any() or (np.diff(t_s[np.isfinite(t_s)]) < 0).any():
        return _answer()
    life = _lives(frame)
    value, shared = _private(t_s, rss, uss, life)
    if limit is not None:
        limit -= shared
    result = judge(
        Readings("rss_bytes" if value is rss else "uss_bytes", t_s, value, life, _requests(frame)),
        Margin(per_s=margin or DEFAULT_MARGIN),
        limit_bytes=limit,
        detectable=detectable,
    )
    rate, oom = result.per_s, result.oom
    return _answer(
        verdict=result.verdict,
        slope_bytes_per_s=rate and rate.value,
        ci_low=rate and rate.low,
        ci_high=rate and rate.high,
        mde_bytes_per_s=result.detectable_per_s,
        oom_eta_low_s=oom and oom.low,
        oom_eta_high_s=oom and oom.high,
        reason=result.reason,
    )


def _answer(**found: Any) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(
        ("slope_bytes_per_s", "ci_low", "ci_high", "mde_bytes_per_s", "oom_eta_low_s", "oom_eta_high_s")
    )
    return {"verdict": "inconclusive", **empty, **found}


def _private(t_s: Numbers, rss: Numbers, uss: Numbers, life: Numbers) -> tuple[Numbers, float]:
    """Return private memory at every reading, and the shared pages at the end.

    USS is dear to read and so read seldom: between its readings RSS says what moved, less the shared pages, which are known
    where both were read. Without enough USS it is RSS.
    """
    if np.isfinite(uss).sum() < ENOUGH_USS:
        return rss, 0.0
    both = np.isfinite(rss) & np.isfinite(uss) & np.isfinite(t_s)
    if both.sum() < ENOUGH_USS:
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
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)


def _lives(frame: pd.DataFrame) -> Numbers:
    life = _column(frame, "restart_id")
    pid = _column(frame, "pid")
    life, pid = (pd.Series(column).ffill().bfill().fillna(0).to_numpy(np.float64) for column in (life, pid))
    changed = np.concatenate([[False], (np.diff(life) != 0) | (np.diff(pid) != 0)])
    return np.cumsum(changed).astype(np.float64)


def _requests(frame: pd.DataFrame) -> Numbers:
    done = _column(frame, "requests_total")
    seen = np.flatnonzero(np.isfinite(done))
    if len(seen) < 2:
        return np.full(len(done), np.nan)
    steps = np.diff(done[seen], prepend=done[seen[0]])
    # A counter that falls began again with its process.
    steps = np.where(steps < 0, done[seen], steps)
    total = np.full(len(done), np.nan)
    total[seen] = np.cumsum(np.maximum(steps, 0))
    return total
