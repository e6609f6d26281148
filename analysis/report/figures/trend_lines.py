"""The leak rate of resident memory as lines to draw through the readings of each life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.judge.types import NO_LEAK, Numbers
from analysis.recording.model import Arm, Phase
from analysis.recording.requests import answered_by
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.signals import RSS
from analysis.verdict.wording import interval_text, rate_text

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
    """``RSS fit: 17.0 KiB/request (16.9 KiB to 17.1 KiB, 95%)``; where the RSS alone is NO LEAK, the bound."""


def trend_lines(arm: Arm, verdict: ArmVerdict, load: Phase | None) -> ArmTrendLines | None:
    """Return the lines of an arm; None where its RSS has no leak rate."""
    signal = next((s for s in verdict.signals if s.judgement.signal == RSS), None)
    if signal is None or load is None:
        return None
    judgement, margin = signal.judgement, verdict.margin
    per_request = margin.per_request is not None
    rate = judgement.per_request if per_request else judgement.per_s
    if rate is None:
        return None
    rows = arm.samples[
        arm.samples["t_s"].between(max(load.start_s, judgement.steady_from_s or 0.0), load.end_s)
    ]
    lives = []
    for _, life in rows.dropna(subset=RSS).groupby("life"):
        t_s, bytes_ = life["t_s"].to_numpy(float), life[RSS].to_numpy(float)
        along = np.linspace(t_s[0], t_s[-1], POINTS)
        done = answered_by(arm, t_s) if per_request else t_s
        ahead = (answered_by(arm, along) if per_request else along) - done.mean()
        if len(t_s) >= MIN_READINGS and np.isfinite(ahead).all():
            lines = (bytes_.mean() + per * ahead for per in (rate.value, rate.low, rate.high))
            lives.append(LifeTrendLine(along, *lines))
    if not lives:
        return None
    if judgement.verdict == NO_LEAK:
        text = f"RSS bound: below {rate_text(max(0.0, rate.high), RSS, margin)} (95%)"
    else:
        text = f"RSS fit: {rate_text(rate.value, RSS, margin)} ({interval_text(rate, RSS, margin)}, 95%)"
    return ArmTrendLines(tuple(lives), text)
