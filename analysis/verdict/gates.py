"""The gates of a sign-off: what was measured, against its limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from analysis.formatting import format_bytes, format_duration
from analysis.judge.types import LEAK, NO_LEAK
from analysis.recording.latency import QUANTILES
from analysis.recording.measurements import Measurement, peak
from analysis.recording.model import Arm, Recording
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.signals import in_bytes
from analysis.verdict.validity import LoadSummary, load_rows
from analysis.verdict.wording import interval_text, margin_text, rate_text, verdict_sentence
from soak.contract import AT_MOST, GATES, GateLimit

Outcome = Literal["pass", "fail", "inconclusive"]
LEAK_GATE: Final = "leak"
ENOUGH: Final = 3.0
"""A share is shown to be below 1/n at 95% by 3 n requests without a case (the rule of three)."""
LOAD_DEPENDENT: Final = ("p99_ms", "p99_drift")
"""A load that did not arrive as planned may have caused these, so they do not fail either."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the sign-off; its fields are the columns of gates.csv."""

    gate: str
    arm: str
    measured: str
    limit: str
    interval: str
    """At 95%; empty where the value is what it is."""
    outcome: Outcome
    why: str
    unit: str
    """Of the raw columns."""
    measured_raw: float | None
    limit_raw: float | None
    low_raw: float | None
    high_raw: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """One arm, as the gates see it."""

    recording: Recording
    arm: Arm
    load: LoadSummary
    verdict: ArmVerdict


@dataclass(frozen=True, slots=True)
class GateValue:
    """The value of a gate, its interval where it has one, and the requests it rests on where those count."""

    reading: Measurement
    low: float | None = None
    high: float | None = None
    requests: int | None = None


def gates(candidate: Side, baseline: Side | None, against: tuple[str, ...]) -> tuple[Gate, ...]:
    """Return the gate ``leak`` and those of the profile; ``against`` is what is held against the candidate's load."""
    limits = candidate.recording.manifest.gates
    return (leak_gate(candidate.verdict), *(_gate(limit, candidate, baseline, against) for limit in limits))


def leak_gate(verdict: ArmVerdict) -> Gate:
    """Return the gate that every arm can be held to: LEAK fails, NO LEAK passes."""
    leading, rate, margin = verdict.leading, verdict.rate, verdict.margin
    name = leading.judgement.signal if leading else "rss_bytes"
    per = "s" if margin.per_request is None else "request"
    outcomes: dict[str, Outcome] = {LEAK: "fail", NO_LEAK: "pass"}
    return Gate(
        gate=LEAK_GATE,
        arm=verdict.arm,
        measured="not measured" if rate is None else rate_text(rate.value, name, margin),
        limit=f"< {margin_text(margin)}",
        interval="" if rate is None else interval_text(rate, name, margin),
        outcome=outcomes.get(verdict.verdict, "inconclusive"),
        why=verdict_sentence(verdict),
        unit=f"{'bytes' if in_bytes(name) else name} per {per}",
        measured_raw=rate.value if rate else None,
        limit_raw=margin.per_s if margin.per_request is None else margin.per_request,
        low_raw=rate.low if rate else None,
        high_raw=rate.high if rate else None,
    )


def fails_for_good(recording: Recording, arm: Arm) -> str:
    """Return why a gate of this arm will fail whatever comes, while the run goes on; empty where none is certain to.

    That is a highest memory that is above its limit already; every other measure can still fall.
    """
    highest = peak(arm, "rss_bytes").value
    for limit in recording.manifest.gates:
        if limit.gate == "max_rss" and not limit.of_before and highest is not None and highest > limit.limit:
            return f"its memory reached {format_bytes(highest)}, and the gate max_rss is {_limit_text(limit)}"
    return ""


def _gate(limit: GateLimit, candidate: Side, baseline: Side | None, against: tuple[str, ...]) -> Gate:
    measure, unit = MEASURES[limit.gate], GATES[limit.gate].unit
    measured = measure(candidate)
    value_limit, limit_text, no_limit = _limit(limit, baseline, measure)
    outcome, why = _outcome(limit, measured, value_limit)
    if no_limit:
        outcome, why = "inconclusive", no_limit
    if against and (outcome == "pass" or limit.gate in LOAD_DEPENDENT):
        outcome, why = "inconclusive", against[0]
    has_interval = measured.low is not None and measured.high is not None
    return Gate(
        gate=limit.gate,
        arm=candidate.arm.name,
        measured="not measured" if measured.reading.value is None else _text(measured.reading.value, unit),
        limit=limit_text,
        interval=f"{_text(measured.low or 0.0, unit)} to {_text(measured.high or 0.0, unit)}"
        if has_interval
        else "",
        outcome=outcome,
        why=why,
        unit=unit,
        measured_raw=_finite(measured.reading.value),
        limit_raw=value_limit,
        low_raw=_finite(measured.low),
        high_raw=_finite(measured.high),
    )


def _limit(
    limit: GateLimit, baseline: Side | None, measure: Callable[[Side], GateValue]
) -> tuple[float | None, str, str]:
    """Return the limit as a number, as text, and why there is none."""
    if not limit.of_before:
        return limit.limit, _limit_text(limit), ""
    if baseline is None:
        return None, limit.text, "there is no arm before to compare with"
    before = measure(baseline).reading
    if before.value is None:
        return None, limit.text, f"before was not measured: {before.why_not}"
    value = limit.limit * before.value
    return value, f"{limit.text} ({_text(value, GATES[limit.gate].unit)})", ""


def _outcome(limit: GateLimit, measured: GateValue, value_limit: float | None) -> tuple[Outcome, str]:
    value = measured.reading.value
    if value is None or value_limit is None:
        return "inconclusive", measured.reading.why_not
    ends = (
        value if measured.low is None else measured.low,
        value if measured.high is None else measured.high,
    )
    held = [_holds(limit.relation, end, value_limit) for end in ends]
    if not any(held):
        return "fail", f"{'above' if limit.relation == AT_MOST else 'below'} the limit"
    if not all(held):
        return "inconclusive", "the limit lies within the interval; a longer run would decide"
    too_few = _too_few(limit.relation, measured.requests, value_limit)
    return ("inconclusive", too_few) if too_few else ("pass", "within the limit")


def _too_few(relation: str, requests: int | None, limit: float) -> str:
    """Return why so few requests cannot show so small a share; empty when they can, or when no share is allowed."""
    rare = limit if relation == AT_MOST else 1 - limit
    if requests is None or rare <= 0 or requests >= ENOUGH / rare:
        return ""
    return f"{requests:,} requests cannot show it, {math.ceil(ENOUGH / rare):,} could"


def _holds(relation: str, value: float, limit: float) -> bool:
    return value <= limit if relation == AT_MOST else value >= limit


def _time_to_oom(side: Side) -> GateValue:
    """Return what is left to the limit over the leak rate, with its interval; infinite where nothing grows."""
    verdict = side.verdict
    if verdict.oom_kills:
        return GateValue(Measurement(0.0))
    if verdict.headroom_bytes is None:
        return GateValue(
            Measurement(None, f"{side.arm.name} has no memory limit, or its memory was not read")
        )
    if verdict.headroom_bytes <= 0:
        return GateValue(Measurement(0.0))
    rate = verdict.to_the_limit
    if rate is None:
        return GateValue(Measurement(None, f"{side.arm.name} has no leak rate in bytes"))
    value, low, high = (
        verdict.headroom_bytes / per_s if per_s > 0 else math.inf
        for per_s in (rate.value, rate.high, rate.low)
    )
    return GateValue(Measurement(value), low, high)


def _max_rss(side: Side) -> GateValue:
    return GateValue(peak(side.arm, "rss_bytes"))


def _p99(side: Side) -> GateValue:
    quantiles = side.arm.latency.latency_ms
    if quantiles is None:
        return GateValue(Measurement(None, f"{side.arm.name} has no latencies of the load"))
    return GateValue(Measurement(quantiles[QUANTILES.index(99.0)]))


def _p99_drift(side: Side) -> GateValue:
    quarters = side.arm.latency.quarters_p99_ms
    if quarters is None or quarters[0] <= 0:
        return GateValue(Measurement(None, f"{side.arm.name} has no latencies in every quarter of the load"))
    return GateValue(Measurement(quarters[-1] / quarters[0]))


def _error_rate(side: Side) -> GateValue:
    load = side.load
    if not load.sent:
        return GateValue(Measurement(None, f"{side.arm.name} was sent no requests"))
    return GateValue(Measurement(sum(load.failed.values()) / load.sent), requests=load.sent)


def _availability(side: Side) -> GateValue:
    load = side.load
    if not load.planned or load_rows(side.arm, side.recording.load).empty:
        return GateValue(Measurement(None, f"no requests were planned for {side.arm.name}"))
    return GateValue(Measurement(load.ok / load.planned), requests=load.planned)


def _drained(column: str) -> Callable[[Side], GateValue]:
    """Return how to read what is left after the drain; without a ladder, the most under load is the nearest to it."""

    def read(side: Side) -> GateValue:
        rungs = side.arm.ladder[side.arm.ladder["rung"] == "drained"][column].dropna()
        return GateValue(Measurement(float(rungs.iloc[-1])) if len(rungs) else peak(side.arm, column))

    return read


MEASURES: Final[dict[str, Callable[[Side], GateValue]]] = {
    "min_time_to_oom": _time_to_oom,
    "max_rss": _max_rss,
    "p99_ms": _p99,
    "p99_drift": _p99_drift,
    "error_rate": _error_rate,
    "availability": _availability,
    "tasks": _drained("tasks_alive"),
    "sessions": _drained("sessions_open"),
    "fds": _drained("fds"),
}


def _limit_text(limit: GateLimit) -> str:
    """Return the limit as the profile has it, but memory as it is measured: the two stand side by side."""
    if limit.of_before or GATES[limit.gate].unit != "bytes":
        return limit.text
    return f"{limit.relation} {format_bytes(limit.limit)}"


def _text(value: float, unit: str) -> str:
    texts: dict[str, Callable[[float], str]] = {
        "bytes": format_bytes,
        "s": lambda value: "never" if math.isinf(value) else format_duration(value),
        "ms": lambda value: f"{value:,.1f} ms",
        "share": lambda value: f"{100 * value:.4g}%",
        "times": lambda value: f"{value:.2f}x",
        "count": lambda value: f"{value:,.0f}",
    }
    return texts[unit](value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
