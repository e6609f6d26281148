"""The decision on an arm's memory and counts: the whole clears, the parts accuse.

Every signal is judged here, by ``judge_signal`` of this module: what replaces it there replaces it everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analysis.formatting import MIB
from analysis.judge import judge_signal
from analysis.judge.reasons import COUNT_NAMES, SENTENCES
from analysis.judge.types import LEAK, NO_LEAK, Judgement, Margin, Rate, ReasonCode
from analysis.verdict.other_explanations import ReportedFree
from analysis.verdict.signals import Evidence, Signal, in_bytes

NOTHING_FREE: Final = ReportedFree()
FAMILY_ERROR: Final = 0.025
"""Chance of calling a healthy arm a leak by any of its accusers: divided evenly among them (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class SignalVerdict:
    """One signal, judged."""

    judgement: Judgement
    margin: Margin
    """The leak that would matter, in the signal's unit."""
    settled: bool
    """Whether it was read at quiesce points."""
    accuses: bool = True
    """Whether a leak in it makes the arm a leak."""
    limit: float | None = None
    """The value at which the signal meets its limit; None where it has none."""

    @property
    def leaks(self) -> bool:
        """Whether the signal makes the arm a leak."""
        return self.accuses and self.judgement.verdict == LEAK


@dataclass(frozen=True, slots=True)
class Served:
    """What an arm did under load."""

    load_s: float
    requests: float
    """Requests answered; 0 where they were not recorded."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The signals of an arm, judged, and the one whose verdict and figures are the arm's."""

    leading: SignalVerdict
    whole: SignalVerdict
    parts: tuple[SignalVerdict, ...]
    counts: tuple[SignalVerdict, ...]
    charged: SignalVerdict | None
    """What the memory limit charges: how fast the limit is approached; it neither clears nor accuses."""
    kernel: SignalVerdict | None = None
    """Kernel memory of that charge: it is no process's and accuses nobody, and a leak of it leaves doubt."""

    @property
    def signals(self) -> tuple[SignalVerdict, ...]:
        """All signals, the whole first."""
        return (self.whole, *self.parts, *self.counts, *((self.charged,) if self.charged else ()))


def decide(
    evidence: Evidence,
    served: Served,
    *,
    error: float = FAMILY_ERROR,
    bounded: bool | None = None,
    free: ReportedFree = NOTHING_FREE,
    detectable: bool = True,
) -> Decision:
    """Judge every signal and decide.

    A leak is called by a part or a count, each at ``error`` over the number of accusers; by the whole where it has no
    parts, or where the leak is in several parts none of which is called. The whole clears: its bound and what may be
    hidden in the reserve must be below the margin. As one signal clears, the 5% above its interval stand undivided.
    A count accuses only of more than was gone after the load, and else leaves the arm undecided. ``free`` is memory
    that the whole gained by the target's own account and that is not in use: what of it is not confirmed from
    outside must be below the margin, too. The minimum detectable leak of the whole is found only if asked for, as
    it takes longest.
    """
    alpha = error / len(evidence.accusers)

    def judged(signal: Signal, *, accuses: bool = True) -> SignalVerdict:
        memory = in_bytes(signal.readings.signal)
        judgement = judge_signal(
            signal.readings,
            signal.margin,
            limit_bytes=signal.limit,
            alpha=alpha,
            bounded=bounded if memory else None,
            detectable=detectable and signal is evidence.whole,
        )
        return SignalVerdict(judgement, signal.margin, signal.readings.settled, accuses, signal.limit)

    whole = judged(evidence.whole, accuses=not evidence.parts)
    parts, counts = (tuple(judged(signal) for signal in group) for group in (evidence.parts, evidence.counts))
    closed = _closed_by_drain(evidence.counts, counts, served)
    counts = tuple(replace(count, accuses=count.judgement.signal not in closed) for count in counts)
    charged = judged(evidence.charged, accuses=False) if evidence.charged else None
    kernel = judged(evidence.kernel, accuses=False) if evidence.kernel else None
    leaking_parts = [part for part in parts if part.leaks]
    if whole.judgement.verdict == LEAK and (
        len(leaking_parts) > 1 or not (leaking_parts or _may_fill(evidence.parts, alpha, bounded))
    ):
        whole = replace(whole, accuses=True)
    leaking = [one for one in (whole, *parts, *counts) if one.leaks]
    if not leaking and evidence.parts:
        judgement = _cleared(whole.judgement, evidence, served, free)
        whole = replace(whole, judgement=judgement)
    if not leaking and closed:
        whole = replace(whole, judgement=_not_retained(whole.judgement, closed))
    leading = whole if not leaking or whole in leaking else max(leaking, key=_order)
    return Decision(leading, whole, parts, counts, charged, kernel)


def _closed_by_drain(
    counts: tuple[Signal, ...], judged: tuple[SignalVerdict, ...], served: Served
) -> dict[str, tuple[float, float]]:
    """Return of each count that leaks its growth and what was gone after the load, where that is as much.

    Connections that clients keep open, and the pools behind them, follow the most requests at one time: they can grow
    for as long as the load lasts. How many there were at its start is not known, so a leak of fewer is not called.
    """
    found = {}
    for count, one in zip(counts, judged, strict=True):
        rate = one.judgement.per_s
        closed = count.closed_by_drain
        if closed and one.leaks and rate is not None and rate.low * served.load_s <= closed:
            found[one.judgement.signal] = (rate.value * served.load_s, closed)
    return found


def _not_retained(judgement: Judgement, closed: dict[str, tuple[float, float]]) -> Judgement:
    (count, (grew, gone)), *_ = closed.items()
    return _undecided(judgement, ReasonCode.CLOSED_BY_DRAIN, name=COUNT_NAMES[count], grew=grew, closed=gone)


def _order(signal: SignalVerdict) -> tuple[bool, float]:
    """Return what puts memory before counts, and the fastest leak first."""
    rate = signal.judgement.per_s
    return in_bytes(signal.judgement.signal), rate.value if rate else 0.0


def _may_fill(parts: tuple[Signal, ...], alpha: float, bounded: bool | None) -> bool:
    """Return whether a part may be a cache that is still filling, judged by its share of the margin.

    In the sum, the quiet of the other parts narrows the fit of a fill.
    """
    fills = {ReasonCode.SATURATION, ReasonCode.GROWING_GAUGE}
    judgements = (
        judge_signal(
            part.readings,
            part.margin.scaled(1 / len(parts)),
            alpha=alpha,
            bounded=bounded,
            detectable=False,
        )
        for part in parts
    )
    return any(judgement.reason_code in fills for judgement in judgements)


def _cleared(judgement: Judgement, evidence: Evidence, served: Served, free: ReportedFree) -> Judgement:
    """Return the judgement of the whole of an arm without an accuser, with the reserve above its bound."""
    margin, hidden = evidence.whole.margin, evidence.reserve_bytes
    per_s, per_request = (
        _raised(rate, hidden / amount) if rate and amount else rate
        for rate, amount in ((judgement.per_s, served.load_s), (judgement.per_request, served.requests))
    )
    raised = replace(judgement, per_s=per_s, per_request=per_request)
    if judgement.verdict == LEAK:
        return _undecided(raised, ReasonCode.FILLING_PART)
    rate, least = margin.of(per_s, per_request), margin.amount
    if judgement.verdict != NO_LEAK or rate is None or least is None:
        return raised
    if (times := rate.high / least) >= 1:
        undecided = _undecided(raised, ReasonCode.RESERVE, reserve=hidden / MIB, times=times)
        return replace(undecided, more_s=(times - 1) * served.load_s)
    gained = least * margin.of(served.load_s, served.requests) * free.share
    return _unconfirmed(raised, free) if free.unconfirmed >= gained else raised


def _unconfirmed(judgement: Judgement, free: ReportedFree) -> Judgement:
    """Return the judgement of an arm that only its own account of free memory would clear."""
    of_python = free.python_unconfirmed >= free.malloc_unconfirmed
    if (free.unseen if of_python else free.trimmed) is None:
        fix = (
            "a heap census during the load (sampling.census_every_s)"
            if of_python
            else "a trim in the quiesce ladder"
        )
        return _undecided(judgement, ReasonCode.UNCONFIRMED_FREE, free=free.unconfirmed / MIB, fix=fix)
    return _undecided(
        judgement,
        ReasonCode.CONTRADICTED_FREE,
        witness="the heap census" if of_python else "malloc_trim",
        reported=(free.python if of_python else free.malloc) / MIB,
        unconfirmed=free.unconfirmed / MIB,
    )


def _undecided(judgement: Judgement, code: ReasonCode, **amounts: float | str) -> Judgement:
    reason = SENTENCES[code].format(**amounts)
    return replace(judgement, verdict=code.verdict, reason_code=code, reason=reason)


def _raised(rate: Rate, by: float) -> Rate:
    return Rate(rate.value, rate.low, max(rate.high, 0.0) + by)
