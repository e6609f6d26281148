"""The verdict on processes that run side by side, together: each may be below the margin, and their sum above it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Final

from analysis.judge.decision import MIN_LEAK_SHARE, MIN_LOW_END_SHARE
from analysis.judge.reasons import reason_sentence
from analysis.judge.types import LEAK, Judgement, Margin, Rate, ReasonCode
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict

BY_INTERVAL: Final = {ReasonCode.BOUNDED, ReasonCode.WIDE_INTERVAL}
"""Reasons of a verdict that the interval alone decided."""


def together(
    name: str, verdicts: tuple[ArmVerdict, ...], spans_s: Sequence[tuple[float, float]], margin: Margin
) -> ArmVerdict | None:
    """Return the verdict on the sum of the rates of several processes, as the arm ``name``.

    ``spans_s`` is from when to when each was there, seconds: a rate counts for as much of the time of another as it was
    there beside it, and the greatest sum decides. Those that follow one another, as by a roll-out, add up to nothing.

    It is LEAK or NO LEAK by the interval of the sum, and LEAK only where the interval alone left every process open or
    cleared it. None for one process; where one leaks already, or has no rate; where the sum is no leak that would
    matter, but not shown to be below the margin, as the errors of many flat processes add up; and where it would clear
    what a doubt about the readings of one left open. ``margin`` is per second.
    """
    judged = [verdict.leading.judgement for verdict in verdicts if verdict.leading is not None]
    rates = [one.per_s for one in judged if one.per_s is not None]
    if len(verdicts) < 2 or len(rates) < len(verdicts) or any(one.verdict == LEAK for one in verdicts):
        return None
    rate, margin_per_s = _sum(rates, spans_s), margin.per_s or 0.0
    undoubted = all(verdict.verdict == one.verdict for verdict, one in zip(verdicts, judged, strict=True))
    plain = undoubted and all(one.reason_code in BY_INTERVAL for one in judged)
    matters = rate.value > MIN_LEAK_SHARE * margin_per_s
    if rate.high < margin_per_s and not undoubted:
        return None
    if rate.high < margin_per_s:
        code = ReasonCode.BOUNDED
    elif matters:
        leaks = plain and rate.low > MIN_LOW_END_SHARE * margin_per_s
        code = ReasonCode.LEAKING if leaks else ReasonCode.WIDE_INTERVAL
    else:
        return None
    signal = judged[0].signal
    reason = reason_sentence(code, rate, signal, margin_per_s, mean_rps=None, more_s=None)
    judgement = Judgement(signal, code.verdict, reason, per_s=rate, reason_code=code)
    leading = SignalVerdict(judgement, margin, settled=False)
    return ArmVerdict(name, code.verdict, reason, margin, leading, (leading,), None, 0)


def _sum(rates: Sequence[Rate], spans_s: Sequence[tuple[float, float]]) -> Rate:
    """Return the greatest sum of the rates beside one process, itself included."""
    sums = []
    for since_s, until_s in spans_s:
        shares = (
            max(0.0, min(until_s, end_s) - max(since_s, begin_s)) / max(until_s - since_s, 1e-9)
            for begin_s, end_s in spans_s
        )
        sums.append(reduce(add, (rate.scaled(share) for rate, share in zip(rates, shares, strict=True))))
    return max(sums, key=lambda rate: rate.high)
