"""The verdict on processes that run side by side, together: each may be below the margin, and their sum above it."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Final

from analysis.judge.decision import MIN_LEAK_SHARE, MIN_LOW_END_SHARE
from analysis.judge.reasons import reason_sentence
from analysis.judge.types import LEAK, Judgement, Margin, ReasonCode
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict

BY_INTERVAL: Final = {ReasonCode.BOUNDED, ReasonCode.WIDE_INTERVAL}
"""Reasons of a verdict that the interval alone decided."""


def together(name: str, verdicts: tuple[ArmVerdict, ...], margin: Margin) -> ArmVerdict | None:
    """Return the verdict on the sum of the rates of several processes, as the arm ``name``.

    It is LEAK or NO LEAK by the interval of the sum, and LEAK only where the interval alone left every process open or
    cleared it. None for one process; where one leaks already, or has no rate; where the sum is no leak that would
    matter, but not shown to be below the margin, as the errors of many flat processes add up; and where it would clear
    what a doubt about the readings of one left open. ``margin`` is per second.
    """
    judged = [verdict.leading.judgement for verdict in verdicts if verdict.leading is not None]
    rates = [one.per_s for one in judged if one.per_s is not None]
    if len(verdicts) < 2 or len(rates) < len(verdicts) or any(one.verdict == LEAK for one in verdicts):
        return None
    rate, margin_per_s = reduce(add, rates), margin.per_s or 0.0
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
