"""The gates of a sign-off: what was measured, against its limit, as numbers; the report puts them in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from analysis.judge.types import LEAK, NO_LEAK
from analysis.recording.latency import QUANTILES
from analysis.recording.measurements import Measurement, peak
from analysis.recording.model import Arm, Recording
from analysis.verdict.arm import ArmVerdict, JudgedArm
from analysis.verdict.signals import RSS, in_bytes
from soak.contract import AT_MOST, GATES, GateLimit

LEAK_GATE: Final = "leak"
ENOUGH: Final = 3.0
"""A share is shown to be below 1/n at 95% by 3 n requests without a case (the rule of three)."""
LOAD_DEPENDENT: Final = ("p99_ms", "p99_drift")
"""Gates that a load which did not arrive as planned may have failed, so that an objection leaves them open."""


class GateResult(StrEnum):
    """The result of a gate."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class GateReason(StrEnum):
    """Why a gate has its result."""

    VERDICT = "verdict"
    """The gate ``leak``: the arm's verdict decides it."""
    WITHIN = "within the limit"
    BEYOND = "beyond the limit"
    LIMIT_IN_INTERVAL = "limit in the interval"
    TOO_FEW_REQUESTS = "too few requests"
    NOT_MEASURED = "not measured"
    NO_BASELINE = "no baseline"
    """The limit refers to an arm before, and there is none."""
    BASELINE_NOT_MEASURED = "baseline not measured"
    OBJECTION = "objection"
    """The load did not arrive, or the recording is not whole."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the sign-off in numbers, all in ``unit``; None where there is none."""

    gate: str
    arm: str
    unit: str
    """The unit of its kind in ``soak.contract.GATES``; of the gate ``leak``, bytes or objects per s or request."""
    value: float | None
    """The measured value; inf for a time that never comes."""
    limit: float | None
    low: float | None
    """Lower end of the 95% interval of ``value``; None where the value has none."""
    high: float | None
    result: GateResult
    reason: GateReason
    asked: GateLimit | None = None
    """The limit as the profile has it; None of the gate ``leak``."""
    detail: str = ""
    """With NOT_MEASURED and BASELINE_NOT_MEASURED why not, with OBJECTION its sentence."""
    requests: int | None = None
    """The requests the value rests on, where it is a share of them."""


@dataclass(frozen=True, slots=True)
class GateValue:
    """The value of a gate, its interval where it has one, and the requests it rests on where those count."""

    reading: Measurement
    low: float | None = None
    high: float | None = None
    requests: int | None = None


def candidate_gates(
    candidate: JudgedArm, baseline: JudgedArm | None, limits: tuple[GateLimit, ...]
) -> tuple[Gate, ...]:
    """Return the gate ``leak`` and those of the profile, in its order."""
    return (leak_gate(candidate.verdict), *(_gate(limit, candidate, baseline) for limit in limits))


def leak_gate(verdict: ArmVerdict) -> Gate:
    """Return the gate on the verdict, which every arm has: LEAK fails, NO LEAK passes."""
    leading, rate, margin = verdict.leading, verdict.rate, verdict.margin
    name = leading.judgement.signal if leading else RSS
    per = "s" if margin.per_request is None else "request"
    return Gate(
        gate=LEAK_GATE,
        arm=verdict.arm,
        unit=f"{'bytes' if in_bytes(name) else name} per {per}",
        value=rate.value if rate else None,
        limit=margin.per_s if margin.per_request is None else margin.per_request,
        low=rate.low if rate else None,
        high=rate.high if rate else None,
        result={LEAK: GateResult.FAIL, NO_LEAK: GateResult.PASS}.get(
            verdict.verdict, GateResult.INCONCLUSIVE
        ),
        reason=GateReason.VERDICT,
    )


def failed_already(recording: Recording, arm: Arm) -> Gate | None:
    """Return a gate of this arm that fails whatever comes, while the run goes on; None where none is certain to.

    That is a highest memory that is above its limit already; every other measure can still fall.
    """
    highest = peak(arm, RSS).value
    for limit in recording.manifest.gates:
        if limit.gate == "max_rss" and not limit.of_before and highest is not None and highest > limit.limit:
            unit = GATES[limit.gate].unit
            return Gate(
                limit.gate,
                arm.name,
                unit,
                highest,
                limit.limit,
                None,
                None,
                GateResult.FAIL,
                GateReason.BEYOND,
                limit,
            )
    return None


def _gate(limit: GateLimit, candidate: JudgedArm, baseline: JudgedArm | None) -> Gate:
    measure = MEASURES[limit.gate]
    measured = measure(candidate)
    bound, reason, detail = _bound(limit, baseline, measure)
    result = GateResult.INCONCLUSIVE
    if reason is None:
        result, reason, detail = _compared(limit, measured, bound)
    objections = candidate.objections
    if objections and (result is GateResult.PASS or limit.gate in LOAD_DEPENDENT):
        result, reason, detail = GateResult.INCONCLUSIVE, GateReason.OBJECTION, objections[0].sentence
    return Gate(
        gate=limit.gate,
        arm=candidate.arm.name,
        unit=GATES[limit.gate].unit,
        value=measured.reading.value,
        limit=bound,
        low=measured.low,
        high=measured.high,
        result=result,
        reason=reason,
        asked=limit,
        detail=detail,
        requests=measured.requests,
    )


def _bound(
    limit: GateLimit, baseline: JudgedArm | None, measure: Callable[[JudgedArm], GateValue]
) -> tuple[float | None, GateReason | None, str]:
    """Return the limit as a number, or why there is none with its detail."""
    if not limit.of_before:
        return limit.limit, None, ""
    if baseline is None:
        return None, GateReason.NO_BASELINE, ""
    before = measure(baseline).reading
    if before.value is None:
        return None, GateReason.BASELINE_NOT_MEASURED, before.why_not
    return limit.limit * before.value, None, ""


def _compared(
    limit: GateLimit, measured: GateValue, bound: float | None
) -> tuple[GateResult, GateReason, str]:
    value = measured.reading.value
    if value is None or bound is None:
        return GateResult.INCONCLUSIVE, GateReason.NOT_MEASURED, measured.reading.why_not
    ends = (
        value if measured.low is None else measured.low,
        value if measured.high is None else measured.high,
    )
    within = [_within(limit.relation, end, bound) for end in ends]
    if not any(within):
        return GateResult.FAIL, GateReason.BEYOND, ""
    if not all(within):
        return GateResult.INCONCLUSIVE, GateReason.LIMIT_IN_INTERVAL, ""
    if measured.requests is not None and measured.requests < needed_requests(limit.relation, bound):
        return GateResult.INCONCLUSIVE, GateReason.TOO_FEW_REQUESTS, ""
    return GateResult.PASS, GateReason.WITHIN, ""


def needed_requests(relation: str, limit: float) -> float:
    """Return how many requests can show a share within the limit; 0 where no case at all is allowed."""
    rare = limit if relation == AT_MOST else 1 - limit
    return ENOUGH / rare if rare > 0 else 0.0


def _within(relation: str, value: float, limit: float) -> bool:
    return value <= limit if relation == AT_MOST else value >= limit


def _time_to_oom(judged: JudgedArm) -> GateValue:
    """Return what is left to the limit over the leak rate, with its interval; infinite where nothing grows."""
    verdict = judged.verdict
    if verdict.oom_kills:
        return GateValue(Measurement(0.0))
    if verdict.headroom_bytes is None:
        return GateValue(
            Measurement(None, f"{judged.arm.name} has no memory limit, or its memory was not read")
        )
    if verdict.headroom_bytes <= 0:
        return GateValue(Measurement(0.0))
    rate = verdict.to_the_limit
    if rate is None:
        return GateValue(Measurement(None, f"{judged.arm.name} has no leak rate in bytes"))
    value, low, high = (
        verdict.headroom_bytes / per_s if per_s > 0 else math.inf
        for per_s in (rate.value, rate.high, rate.low)
    )
    return GateValue(Measurement(value), low, high)


def _max_rss(judged: JudgedArm) -> GateValue:
    return GateValue(peak(judged.arm, "rss_bytes"))


def _p99(judged: JudgedArm) -> GateValue:
    quantiles = judged.arm.latency.latency_ms
    if quantiles is None:
        return GateValue(Measurement(None, f"{judged.arm.name} has no latencies of the load"))
    return GateValue(Measurement(quantiles[QUANTILES.index(99.0)]))


def _p99_drift(judged: JudgedArm) -> GateValue:
    quarters = judged.arm.latency.quarters_p99_ms
    if quarters is None or quarters[0] <= 0:
        return GateValue(
            Measurement(None, f"{judged.arm.name} has no latencies in every quarter of the load")
        )
    return GateValue(Measurement(quarters[-1] / quarters[0]))


def _error_rate(judged: JudgedArm) -> GateValue:
    load = judged.load
    if not load.sent:
        return GateValue(Measurement(None, f"{judged.arm.name} was sent no requests"))
    return GateValue(Measurement(sum(load.failed.values()) / load.sent), requests=load.sent)


def _availability(judged: JudgedArm) -> GateValue:
    share = judged.load.availability
    if share is None:
        return GateValue(Measurement(None, f"no requests were planned for {judged.arm.name}"))
    return GateValue(Measurement(share), requests=judged.load.planned)


def _drained(column: str) -> Callable[[JudgedArm], GateValue]:
    """Return how to read what is left after the drain; without a ladder, the most under load is the nearest to it."""

    def read(judged: JudgedArm) -> GateValue:
        rungs = judged.arm.ladder[judged.arm.ladder["rung"] == "drained"][column].dropna()
        return GateValue(Measurement(float(rungs.iloc[-1])) if len(rungs) else peak(judged.arm, column))

    return read


MEASURES: Final[dict[str, Callable[[JudgedArm], GateValue]]] = {
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
