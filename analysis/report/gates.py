"""The gates in words: a line of gates.csv each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from analysis.formatting import Writer, bytes_text, digits_apart, format_duration, format_interval
from analysis.judge.types import Margin, Rate
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.gates import LEAK_GATE, Gate, GateReason, GateResult, needed_requests
from analysis.verdict.run import JudgedRun
from analysis.verdict.signals import RSS
from analysis.verdict.wording import interval_text, margin_text, rate_text, verdict_sentence
from soak.contract import AT_MOST


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate as text; its fields are the columns of gates.csv."""

    gate: str
    arm: str
    measured: str
    limit: str
    interval: str
    """The 95% interval; empty where the value has none."""
    outcome: GateResult
    why: str
    unit: str
    """Unit of the raw columns."""
    measured_raw: float | None
    limit_raw: float | None
    low_raw: float | None
    high_raw: float | None

    @property
    def open_why(self) -> str:
        """Why it did not pass; empty where the limit or, of the gate ``leak``, the line of the verdict gives it."""
        return self.why if self.outcome is not GateResult.PASS and self.gate != LEAK_GATE else ""


CLOCKS: Final = {"bytes per s": Margin(per_s=1.0), "bytes per request": Margin(per_request=1.0)}
"""The clock of a leak rate, by its unit."""
TEXTS: Final[dict[str, Writer]] = {
    "bytes": bytes_text,
    "bytes per s": lambda value, more: rate_text(value, RSS, CLOCKS["bytes per s"], more),
    "bytes per request": lambda value, more: rate_text(value, RSS, CLOCKS["bytes per request"], more),
    "s": lambda value, more: "never" if math.isinf(value) else format_duration(value, more),
    "ms": lambda value, more: f"{value:,.{1 + more}f} ms",
    "share": lambda value, more: f"{100 * value:.{4 + more}g}%",
    "times": lambda value, more: f"{value:.{2 + more}f}x",
    "count": lambda value, more: f"{value:,.{more}f}",
}
"""How a value is written, with how many digits beyond its usual ones, by its unit."""


def gate_rows(judged: JudgedRun) -> tuple[GateRow, ...]:
    """Return the candidate's gates in words."""
    verdicts = {one.arm: one for one in judged.verdicts}
    return tuple(
        _leak_row(gate, verdicts[gate.arm]) if gate.gate == LEAK_GATE else gate_row(gate)
        for gate in judged.gates
    )


def gate_row(gate: Gate) -> GateRow:
    """Return a gate of the profile in words: what is not at its limit is not written as the limit is."""
    more_digits = _digits(gate)

    def text(value: float, further: int = 0) -> str:
        return TEXTS[gate.unit](value, more_digits + further)

    asked = "" if gate.asked is None else gate.asked.text
    if gate.asked is not None and gate.limit is not None:
        if gate.asked.of_before:
            asked = f"{asked} ({text(gate.limit)})"
        elif gate.unit == "bytes":
            asked = f"{gate.asked.relation} {text(gate.limit)}"
    interval = ""
    if gate.low is not None and gate.high is not None:
        interval = format_interval(gate.low, gate.high, text)
        if gate.value is not None and (clock := CLOCKS.get(gate.unit)) is not None:
            interval = interval_text(Rate(gate.value, gate.low, gate.high), RSS, clock, more_digits)
    return _row(gate, "not measured" if gate.value is None else text(gate.value), asked, interval, _why(gate))


def _leak_row(gate: Gate, verdict: ArmVerdict) -> GateRow:
    rate, margin = verdict.rate, verdict.margin
    name = verdict.leading.judgement.signal if verdict.leading else RSS
    more_digits = _digits(gate)
    measured = "not measured" if rate is None else rate_text(rate.value, name, margin, more_digits)
    interval = "" if rate is None else interval_text(rate, name, margin, more_digits)
    limit = f"< {margin_text(margin, more_digits)}"
    return _row(gate, measured, limit, interval, verdict_sentence(verdict))


def _digits(gate: Gate) -> int:
    """Return how many further digits tell value and interval from the limit; 0 where they have no unit in common."""
    write, ends = TEXTS.get(gate.unit), (gate.value, gate.low, gate.high)
    if write is None or gate.limit is None:
        return 0
    return digits_apart([end for end in ends if end is not None], gate.limit, write)


def _row(gate: Gate, measured: str, limit: str, interval: str, why: str) -> GateRow:
    return GateRow(
        gate=gate.gate,
        arm=gate.arm,
        measured=measured,
        limit=limit,
        interval=interval,
        outcome=gate.result,
        why=why,
        unit=gate.unit,
        measured_raw=_finite(gate.value),
        limit_raw=gate.limit,
        low_raw=_finite(gate.low),
        high_raw=_finite(gate.high),
    )


def _why(gate: Gate) -> str:
    if gate.reason is GateReason.BEYOND:
        return f"{'above' if gate.asked and gate.asked.relation == AT_MOST else 'below'} the limit"
    if gate.reason is GateReason.TOO_FEW_REQUESTS and gate.asked is not None:
        needed = math.ceil(needed_requests(gate.asked.relation, gate.limit or 0.0))
        return f"too few requests to decide: {gate.requests:,}, need {needed:,}"
    fix = "a load that is sent whole" if gate.gate == "availability" else "a longer run"
    return {
        GateReason.WITHIN: "within the limit",
        GateReason.LIMIT_IN_INTERVAL: f"the limit lies within the interval; {fix} would decide",
        GateReason.NO_BASELINE: "there is no arm before to compare with",
        GateReason.BASELINE_NOT_MEASURED: f"before was not measured: {gate.detail}",
    }.get(gate.reason, gate.detail)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
