"""The leak rate of the memory that was judged, as lines to draw through its readings in each life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.judge.types import NO_LEAK, Numbers
from analysis.recording.model import Arm, Phase, within
from analysis.recording.requests import answered_by
from analysis.report.figures.shown_memory import shown_memory
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.wording import SIGNAL_NAMES, interval_text, rate_text

POINTS: Final = 200
"""Points of a line, which bends where the rate of requests changes."""
MIN_READINGS: Final = 10
"""Readings of a life that has a line, at least."""


@dataclass(frozen=True, slots=True)
class LifeTrendLine:
    """One life: memory by the rate and by the ends of its interval, which meet in the middle of the readings."""

    t_s: Numbers
    value: Numbers
    """Bytes, as are ``low`` and ``high``."""
    low: Numbers
    high: Numbers


@dataclass(frozen=True, slots=True)
class ArmTrendLines:
    """The lines of an arm, and their label."""

    lives: tuple[LifeTrendLine, ...]
    text: str
    """``RSS; dotted: memory in use, 17.0 KiB/request (16.9 KiB to 17.1 KiB, 95%)``; of NO LEAK, the bound."""


def trend_lines(arm: Arm, verdict: ArmVerdict, load: Phase | None) -> ArmTrendLines | None:
    """Return the lines of an arm; None where its memory has no leak rate."""
    judgement, margin = verdict.memory, verdict.margin
    if judgement is None or load is None:
        return None
    name = judgement.signal
    per_request = margin.per_request is not None
    rate = margin.of(judgement.per_s, judgement.per_request)
    if rate is None:
        return None
    settled = within(arm.samples, max(load.start_s, judgement.steady_from_s or 0.0), load.end_s)
    rows = settled[["t_s", "life", name]]
    lives = []
    for _, life in rows.dropna(subset=name).groupby("life"):
        t_s, bytes_ = life["t_s"].to_numpy(float), life[name].to_numpy(float)
        along = np.linspace(t_s[0], t_s[-1], POINTS)
        done = answered_by(arm, t_s) if per_request else t_s
        ahead = (answered_by(arm, along) if per_request else along) - done.mean()
        if len(t_s) >= MIN_READINGS and np.isfinite(ahead).all():
            lines = (bytes_.mean() + per * ahead for per in (rate.value, rate.low, rate.high))
            lives.append(LifeTrendLine(along, *lines))
    if not lives:
        return None
    if judgement.verdict == NO_LEAK:
        fit = f"below {rate_text(max(0.0, rate.high), name, margin)} (95%)"
    else:
        fit = f"{rate_text(rate.value, name, margin)} ({interval_text(rate, name, margin)}, 95%)"
    return ArmTrendLines(tuple(lives), f"{shown_memory((arm,)).name}; dotted: {SIGNAL_NAMES[name]}, {fit}")
