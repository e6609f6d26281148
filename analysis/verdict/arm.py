"""The verdict on an arm, from the verdicts on its signals and the objections to its recording.

Every signal is judged here, by ``judge_signal`` of this module: what replaces it there replaces it everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.formatting import verdict_name
from analysis.judge import judge_signal
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Judgement, Margin, Rate, SignalSeries, Verdict
from analysis.recording.model import LIVE_BYTES, Arm, Phase, Recording
from analysis.verdict.other_explanations import bounded, end_memory, retained_by_allocator
from analysis.verdict.signals import LIVE_BLOCKS, RSS, USS, Signal, in_bytes, leak_margin, signals
from analysis.verdict.validity import LoadSummary, Objection, ObjectionKind, arm_objections, load_summary

FAMILY_ERROR: Final = 0.025
"""Probability of calling any signal of a healthy arm a leak: divided evenly among those judged (Bonferroni)."""
BEST_FIRST: Final = (LIVE_BYTES, USS, RSS)
"""The byte signals that can clear an arm; the best that was read must."""
RETAINED_AT_LEAST: Final = 0.5
"""Share of the growth of resident memory that the allocators must retain for that growth to be no leak."""


@dataclass(frozen=True, slots=True)
class SignalVerdict:
    """One signal, judged."""

    judgement: Judgement
    margin: Margin
    """The leak that would matter, in the signal's unit."""
    settled: bool
    """Whether it was read at quiesce points."""
    explained_by_allocator: bool = False
    """Growth of resident memory that is free memory the allocators retain, not live objects."""

    @property
    def leaks(self) -> bool:
        """Whether the signal makes the arm a leak."""
        return self.judgement.verdict == LEAK and not self.explained_by_allocator


@dataclass(frozen=True, slots=True)
class ArmVerdict:
    """LEAK, NO LEAK or INCONCLUSIVE, and what it rests on."""

    arm: str
    verdict: Verdict
    reason: str
    """One sentence, without a full stop."""
    margin: Margin
    """The leak that would matter, bytes."""
    leading: SignalVerdict | None
    """The signal whose figures are the arm's; None when none could be judged."""
    signals: tuple[SignalVerdict, ...]
    headroom_bytes: float | None
    """Bytes between the arm's memory at the end of the load and its limit; None without a limit or a reading."""
    oom_kills: int
    objection: Objection | None = None
    """The first objection that leaves the arm INCONCLUSIVE whatever its signals are; None where there is none."""

    @property
    def rate(self) -> Rate | None:
        """The leading signal's rate, per request where the margin is, else per second."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        return judgement.per_request if self.margin.per_request is not None else judgement.per_s

    @property
    def memory(self) -> Judgement | None:
        """The judgement of the leading signal, or where that is not of memory, of the first that is; with a rate."""
        leading = [] if self.leading is None else [self.leading]
        judged = (signal.judgement for signal in (*leading, *self.signals))
        return next((one for one in judged if one.per_s and in_bytes(one.signal)), None)

    @property
    def to_the_limit(self) -> Rate | None:
        """Bytes per second by which memory may come to its limit.

        That is the fastest of the leading signal, where it is one of memory, and those that the allocator explains.
        """
        grown = [signal.judgement.per_s for signal in self.signals if signal.explained_by_allocator]
        if self.leading is not None and in_bytes(self.leading.judgement.signal):
            grown.insert(0, self.leading.judgement.per_s)
        return max((rate for rate in grown if rate is not None), key=lambda rate: rate.high, default=None)

    @property
    def detectable(self) -> float | None:
        """The minimum detectable leak, likewise."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        per_request = self.margin.per_request is not None
        return judgement.detectable_per_request if per_request else judgement.detectable_per_s


@dataclass(frozen=True, slots=True)
class JudgedArm:
    """One arm with all that is decided about it, computed once."""

    arm: Arm
    load: LoadSummary
    objections: tuple[Objection, ...]
    """All that concern it, those to the whole run first."""
    verdict: ArmVerdict

    @property
    def standing(self) -> tuple[Objection, ...]:
        """The objections that stand: readings that are missing can hide a leak, and make none."""
        return _standing(self.objections, self.verdict.verdict)


def judged_arm(recording: Recording, arm: Arm) -> JudgedArm:
    """Sum up the load of an arm, collect the objections to it and judge it."""
    load = load_summary(arm, recording.load)
    objections = arm_objections(recording, arm, load)
    return JudgedArm(arm, load, objections, arm_verdict(recording, arm, objections))


def arm_verdict(
    recording: Recording,
    arm: Arm,
    objections: tuple[Objection, ...] = (),
    *,
    error: float = FAMILY_ERROR,
    detectable: bool = True,
) -> ArmVerdict:
    """Judge every signal of an arm, then the arm.

    With an objection that stands the arm is INCONCLUSIVE, and the verdict of its signals is in the reason only.
    ``error`` is the family-wise error of this look. The minimum detectable leak is found only if asked for, as it takes
    longest.
    """
    margin, load = leak_margin(recording, arm), recording.load
    kills = sum(life.oom_killed for life in arm.lives)
    if load is None:
        return ArmVerdict(
            arm.name, INCONCLUSIVE, "the run did not reach the phase load", margin, None, (), None, kills
        )
    end_bytes = end_memory(arm, load)
    headroom = None if arm.limit_bytes is None or end_bytes is None else arm.limit_bytes - end_bytes
    judged = _signal_verdicts(arm, load, signals(arm, load, margin), headroom, error, detectable=detectable)
    leading = _leading(judged)
    verdict: Verdict = INCONCLUSIVE
    reason = "no signal of its memory was read often enough under load"
    if leading is not None:
        verdict, reason = leading.judgement.verdict, leading.judgement.reason
    objection = next(iter(_standing(objections, verdict)), None)
    if objection is not None:
        alone = "" if verdict == INCONCLUSIVE else f"; on the data alone: {verdict_name(verdict)} ({reason})"
        verdict, reason = INCONCLUSIVE, objection.text + alone
    return ArmVerdict(arm.name, verdict, reason, margin, leading, judged, headroom, kills, objection)


def series_verdict(
    name: str,
    readings: SignalSeries,
    margin: Margin,
    limit_bytes: float | None,
    *,
    error: float = FAMILY_ERROR,
) -> ArmVerdict:
    """Judge one signal, of memory and without a recording around it, as the arm ``name``."""
    judgement = judge_signal(readings, margin, limit_bytes=limit_bytes, alpha=error)
    known = readings.value[np.isfinite(readings.value)]
    headroom = limit_bytes - float(known[-1]) if limit_bytes is not None and len(known) else None
    signal = SignalVerdict(judgement, margin, settled=False)
    return ArmVerdict(name, judgement.verdict, judgement.reason, margin, signal, (signal,), headroom, 0)


def _standing(objections: tuple[Objection, ...], verdict: Verdict) -> tuple[Objection, ...]:
    return tuple(one for one in objections if verdict != LEAK or one.kind is not ObjectionKind.UNREAD)


def _signal_verdicts(
    arm: Arm,
    load: Phase,
    found: tuple[Signal, ...],
    headroom: float | None,
    error: float,
    *,
    detectable: bool,
) -> tuple[SignalVerdict, ...]:
    stopped = bounded(arm, load)
    if stopped is False and any(life.oom_killed for life in arm.lives):
        stopped = None  # a cache that fills until its process is killed has no bound that could explain it
    best = next((name for name in BEST_FIRST if any(s.readings.signal == name for s in found)), None)
    verdicts = []
    for signal in found:
        name = signal.readings.signal
        judgement = judge_signal(
            signal.readings,
            signal.margin,
            limit_bytes=_limit(signal, headroom),
            alpha=error / len(found),
            bounded=stopped if in_bytes(name) or name == LIVE_BLOCKS else None,
            detectable=detectable and name == best,
        )
        verdicts.append(SignalVerdict(judgement, signal.margin, signal.readings.settled))
    return _with_allocator(arm, load, verdicts)


def _limit(signal: Signal, headroom: float | None) -> float | None:
    """Return the value at which the signal meets the memory limit: its last level plus the headroom."""
    values = signal.readings.value[np.isfinite(signal.readings.value)]
    if headroom is None or not in_bytes(signal.readings.signal) or not len(values):
        return None
    return float(values[-1]) + max(0.0, headroom)


def _with_allocator(arm: Arm, load: Phase, verdicts: list[SignalVerdict]) -> tuple[SignalVerdict, ...]:
    """Mark a leak of resident memory as the allocators' where live bytes do not leak and they retain most of it."""
    live = next((v for v in verdicts if v.judgement.signal == LIVE_BYTES), None)
    if live is None or live.judgement.verdict != NO_LEAK:
        return tuple(verdicts)
    retained_bytes = retained_by_allocator(arm, load)
    return tuple(
        replace(v, explained_by_allocator=_is_retained(v.judgement, retained_bytes, load)) for v in verdicts
    )


def _is_retained(judgement: Judgement, retained_bytes: float, load: Phase) -> bool:
    if judgement.signal not in (RSS, USS) or judgement.verdict != LEAK or judgement.per_s is None:
        return False
    since_s = max(load.start_s, judgement.steady_from_s or load.start_s)
    return retained_bytes >= RETAINED_AT_LEAST * judgement.per_s.value * (load.end_s - since_s)


def _leading(judged: tuple[SignalVerdict, ...]) -> SignalVerdict | None:
    """Return the signal whose verdict and figures are the arm's: a leak before what would clear the arm."""
    leaks = [one for one in judged if one.leaks]
    ranked = {one.judgement.signal: one for one in leaks or judged}
    best = next((ranked[name] for name in BEST_FIRST if name in ranked), None)
    return best or next(iter(leaks), None)
