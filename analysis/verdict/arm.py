"""The verdict on an arm, from the decision on its signals and the objections to its recording."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.formatting import format_duration
from analysis.judge.frozen import until_frozen
from analysis.judge.types import (
    INCONCLUSIVE,
    LEAK,
    NO_LEAK,
    Judgement,
    Margin,
    Numbers,
    Rate,
    SignalSeries,
    Verdict,
)
from analysis.recording.model import Arm, Phase, Recording
from analysis.recording.requests import answered_by
from analysis.verdict.daily_load import leak_doubt, may_follow_other_load, no_leak_doubt
from analysis.verdict.decision import FAMILY_ERROR, Decision, Served, SignalVerdict, decide
from analysis.verdict.doubts import doubts_of_leak, doubts_of_no_leak
from analysis.verdict.other_explanations import ReportedFree, bounded, end_memory, reported_free
from analysis.verdict.signals import Evidence, Signal, evidence, in_bytes, leak_margin
from analysis.verdict.validity import (
    LoadSummary,
    Objection,
    ObjectionKind,
    arm_objections,
    load_summary,
)
from soak.contract import verdict_name

AT_LIMIT_SHARE: Final = 0.97
"""Share of its limit from which on memory may be held there: by swap, or by a page cache that shrinks."""


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
    ended: int = 0
    """Processes that ended under load unasked, those that were ended for their memory not among them."""
    charged: Judgement | None = None
    """The judgement of what the memory limit charges; None without a limit, and where memory was judged alone."""
    reserve_bytes: float | None = None
    """Memory that may be free and that nobody can be asked about, see ``Evidence``; None where there are no parts."""
    reserve: float | None = None
    """The same per request where the margin is, else per second of the load: what it adds to the bound."""
    cleared_by_report_bytes: float | None = None
    """Bytes by which own memory of an arm that is NO LEAK grew, by the margin or more, while memory in use did not: the
    target reports them as free, and they are confirmed from outside. None where its report clears nothing."""
    objection: Objection | None = None
    """The first objection that leaves the arm INCONCLUSIVE whatever its signals are; None where there is none."""

    @property
    def rate(self) -> Rate | None:
        """The leading signal's rate, per request where the margin is, else per second."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        return self.margin.of(judgement.per_s, judgement.per_request)

    @property
    def memory(self) -> Judgement | None:
        """The judgement of the leading signal, or where that is not of memory, of the first that is; with a rate."""
        leading = [] if self.leading is None else [self.leading]
        judged = (signal.judgement for signal in (*leading, *self.signals))
        return next((one for one in judged if one.per_s and in_bytes(one.signal)), None)

    @property
    def to_the_limit(self) -> Rate | None:
        """Bytes per second by which memory comes to its limit: of what the limit charges, else of the memory judged."""
        return self.charged.per_s if self.charged else self.memory.per_s if self.memory else None

    @property
    def detectable(self) -> float | None:
        """The minimum detectable leak, likewise."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        return self.margin.of(judgement.detectable_per_s, judgement.detectable_per_request)


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
    found = evidence(arm, load, margin, headroom)
    free, served = reported_free(arm, load), _served(arm, load)
    decided: Decision | None = None
    verdict: Verdict = INCONCLUSIVE
    reason = "no signal of its memory was read often enough under load"
    if found is not None:
        decided = _decided(arm, load, found, served, error, free, detectable=detectable)
        leading = decided.leading.judgement
        verdict, reason = leading.verdict, leading.reason
        if recording.manifest.attached:
            objections += _of_day(arm.name, found.whole.readings, margin, leading)
            objections += _of_other_load(arm.name, _signal_of(found, leading), leading)
        if verdict == NO_LEAK:
            objections += doubts_of_no_leak(arm, load, margin, error, found, decided)
        if verdict == LEAK:
            objections += doubts_of_leak(arm, load, margin, error, found, leading, served)
    objection, verdict, reason = _objected(objections, verdict, reason)
    return ArmVerdict(
        arm=arm.name,
        verdict=verdict,
        reason=reason,
        margin=margin,
        leading=decided.leading if decided else None,
        signals=decided.signals if decided else (),
        headroom_bytes=headroom,
        oom_kills=kills,
        ended=_ended(arm, load),
        charged=decided.charged.judgement if decided and decided.charged else None,
        reserve_bytes=found.reserve_bytes if found and found.parts else None,
        reserve=_reserve(found, served, margin),
        cleared_by_report_bytes=_cleared_by_report(free, found, served, margin, verdict),
        objection=objection,
    )


def _ended(arm: Arm, load: Phase) -> int:
    """Return how many processes of the arm ended under load, neither asked to nor for their memory."""
    unasked = (one for one in arm.processes or arm.lives if one.died and not one.oom_killed)
    return sum(load.start_s <= one.end_s <= load.end_s for one in unasked)


def series_verdict(
    name: str,
    readings: SignalSeries,
    margin: Margin,
    limit_bytes: float | None,
    *,
    error: float = FAMILY_ERROR,
    objections: tuple[Objection, ...] = (),
) -> ArmVerdict:
    """Judge one signal, of memory and without a recording around it, as the arm ``name``.

    With an objection that stands it is INCONCLUSIVE. The load is taken to be nobody's plan, so that a leak may be the
    load of days; and readings that leak and then no longer change may be readings of nothing.
    """
    signal = Signal(readings, margin, limit_bytes)
    decided = _alone(signal, error)
    judgement = decided.leading.judgement
    known = readings.value[np.isfinite(readings.value)]
    headroom = limit_bytes - float(known[-1]) if limit_bytes is not None and len(known) else None
    objections += _of_day(name, readings, margin, judgement)
    objections += _of_other_load(name, signal, judgement, error)
    if judgement.verdict == NO_LEAK:
        until = until_frozen(readings)
        if until is not None and _verdict_of(replace(signal, readings=until), error) == LEAK:
            objections += (_of_frozen(name, readings, until),)
        if limit_bytes is not None:
            objections += _of_limit(name, known, limit_bytes)
    objection, verdict, reason = _objected(objections, judgement.verdict, judgement.reason)
    return ArmVerdict(
        name, verdict, reason, margin, decided.leading, decided.signals, headroom, 0, objection=objection
    )


def _alone(signal: Signal, error: float, *, detectable: bool = True) -> Decision:
    evidence_of_one = Evidence(signal, (), (), None, None, 0.0)
    return decide(evidence_of_one, Served(0.0, 0.0), error=error, detectable=detectable)


def _verdict_of(signal: Signal, error: float) -> Verdict:
    return _alone(signal, error, detectable=False).leading.judgement.verdict


def _signal_of(found: Evidence, judgement: Judgement) -> Signal:
    """Return the signal that a judgement is of."""
    signals = (found.whole, *found.parts, *found.counts)
    return next(one for one in signals if one.readings.signal == judgement.signal)


def _of_day(name: str, readings: SignalSeries, margin: Margin, judgement: Judgement) -> tuple[Objection, ...]:
    """Return an objection where a leak of memory may be the load of days, or that load may hide one."""
    rate, doubt = judgement.per_s, ""
    if not in_bytes(judgement.signal) or rate is None:
        return ()
    if judgement.verdict == LEAK:
        doubt = leak_doubt(readings, rate.low)
    elif judgement.verdict == NO_LEAK and margin.per_s is not None:
        doubt = no_leak_doubt(readings, margin.per_s)
    return (Objection(name, ObjectionKind.DAY, doubt),) if doubt else ()


def _of_other_load(
    name: str, signal: Signal, judgement: Judgement, error: float = FAMILY_ERROR
) -> tuple[Objection, ...]:
    """Return an objection to a verdict on memory that would be another if requests that are steady were not known."""
    readings = signal.readings
    if judgement.verdict == INCONCLUSIVE or not in_bytes(readings.signal):
        return ()
    if not may_follow_other_load(readings):
        return ()
    unknown = replace(readings, requests=np.full(len(readings.t_s), np.nan))
    if _verdict_of(replace(signal, readings=unknown), error) == judgement.verdict:
        return ()
    text = (
        "memory changes unevenly while the requests are steady, as with another load of a day: a life of two days "
        "would decide"
    )
    return (Objection(name, ObjectionKind.DAY, text),)


def _of_frozen(name: str, readings: SignalSeries, until: SignalSeries) -> Objection:
    """Return the objection to readings that leak ``until`` they no longer change."""
    same = format_duration(float(readings.t_s.max() - until.t_s.max()))
    text = (
        f"it has not changed in the last {same}, and grew until then: is it still measured? Measure it again"
    )
    return Objection(name, ObjectionKind.UNREAD, text)


def _of_limit(name: str, known: Numbers, limit_bytes: float) -> tuple[Objection, ...]:
    """Return an objection to finite readings that end at their limit, where memory cannot grow any further."""
    share = float(np.median(known[-max(1, len(known) // 10) :])) / limit_bytes
    if share < AT_LIMIT_SHARE:
        return ()
    text = (
        f"its memory ends at {100 * share:.0f}% of its limit, and what cannot grow shows no leak: raise the limit, or "
        "give the one it has"
    )
    return (Objection(name, ObjectionKind.UNREAD, text),)


def _objected(
    objections: tuple[Objection, ...], verdict: Verdict, reason: str
) -> tuple[Objection | None, Verdict, str]:
    """Return the first objection that stands, if any, and the verdict and its reason with it."""
    objection = next(iter(_standing(objections, verdict)), None)
    if objection is None:
        return None, verdict, reason
    alone = "" if verdict == INCONCLUSIVE else f"; on the data alone: {verdict_name(verdict)} ({reason})"
    return objection, INCONCLUSIVE, objection.text + alone


def _served(arm: Arm, load: Phase) -> Served:
    answered = answered_by(arm, np.array([load.start_s, load.end_s]))
    return Served(load.end_s - load.start_s, float(np.nan_to_num(np.ptp(answered))))


def _reserve(found: Evidence | None, served: Served, margin: Margin) -> float | None:
    amount = margin.of(served.load_s, served.requests)
    return found.reserve_bytes / amount if found and found.parts and amount else None


def _cleared_by_report(
    free: ReportedFree, found: Evidence | None, served: Served, margin: Margin, verdict: Verdict
) -> float | None:
    """Return by how much own memory grew where only the target's report of free memory keeps that below the margin."""
    if verdict != NO_LEAK or found is None or not found.parts or margin.amount is None:
        return None
    least = margin.amount * margin.of(served.load_s, served.requests) * free.share
    return free.own if free.own >= least > 0 and free.malloc + free.python > free.own - least else None


def _decided(
    arm: Arm,
    load: Phase,
    found: Evidence,
    served: Served,
    error: float,
    free: ReportedFree,
    *,
    detectable: bool,
) -> Decision:
    stopped = bounded(arm, load)
    if stopped is False and any(life.oom_killed for life in arm.lives):
        stopped = None  # a cache that fills until its process is killed has no bound that could explain it
    return decide(
        found,
        served,
        error=error,
        bounded=stopped,
        free=free,
        detectable=detectable,
    )


def _standing(objections: tuple[Objection, ...], verdict: Verdict) -> tuple[Objection, ...]:
    return tuple(one for one in objections if verdict != LEAK or one.kind is not ObjectionKind.UNREAD)
