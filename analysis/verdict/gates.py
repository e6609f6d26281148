"""The gates of a sign-off: what was measured, against its limit, as numbers; the report puts them in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

from analysis.judge.types import LEAK, NO_LEAK
from analysis.recording.latency import QUANTILES
from analysis.recording.measurements import peak
from analysis.recording.model import Arm, Recording
from analysis.verdict.arm import ArmVerdict, JudgedArm
from analysis.verdict.signals import RSS, in_bytes, is_of_all
from analysis.verdict.validity import ObjectionKind
from soak.contract import AT_MOST, GATES, HISTOGRAM_HIGHEST_US, LEAK_VS_BEFORE, LOAD, GateLimit

LEAK_GATE: Final = "leak"
ENOUGH: Final = 3.0
"""A share is shown to be below 1/n at 95% by 3 n requests without a case (the rule of three)."""
BEYOND_P99: Final = 0.01
"""Share of requests that a 99th percentile leaves out: where more have no latency, it is none of all requests."""
LONGEST_MS: Final = HISTOGRAM_HIGHEST_US / 1000
"""The longest time that is recorded as it was; what took longer counts as that."""
_TOO_LONG: Final = f"its p99 is {LONGEST_MS / 1000:.0f} s or more, the longest time that is recorded"
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
    """The unit of its kind in ``soak.contract.GATES``; of a leak rate, bytes or objects per s or request."""
    value: float | None
    """The measured value; inf for a time that never comes."""
    limit: float | None
    result: GateResult
    reason: GateReason
    low: float | None = None
    """Lower end of the 95% interval of ``value``; None where the value has none."""
    high: float | None = None
    asked: GateLimit | None = None
    """The limit as the profile has it; None of the gate ``leak``."""
    detail: str = ""
    """With NOT_MEASURED and BASELINE_NOT_MEASURED why not, with OBJECTION its sentence."""
    requests: int | None = None
    """The requests the value rests on, where it is a share of them."""


@dataclass(frozen=True, slots=True)
class GateValue:
    """The value of a gate, or why there is none, and its interval where it has one."""

    value: float | None
    why_not: str = ""
    low: float | None = None
    high: float | None = None
    requests: int | None = None
    """The requests the value rests on, where it is a share of them."""
    flatters: str = ""
    """Why it may be better than all of the load was, so that it passes no limit; as the limit of another it holds."""


def candidate_gates(
    candidate: JudgedArm, baseline: JudgedArm | None, limits: tuple[GateLimit, ...]
) -> tuple[Gate, ...]:
    """Return the gate ``leak`` and those of the profile, in its order."""
    return (leak_gate(candidate.verdict), *(_gate(limit, candidate, baseline) for limit in limits))


def leak_gate(verdict: ArmVerdict) -> Gate:
    """Return the gate on the verdict, which every arm has: LEAK fails, NO LEAK passes."""
    leading, rate, margin = verdict.leading, verdict.rate, verdict.margin
    name = leading.judgement.signal if leading else RSS
    results = {LEAK: GateResult.FAIL, NO_LEAK: GateResult.PASS}
    return Gate(
        gate=LEAK_GATE,
        arm=verdict.arm,
        unit=f"{'bytes' if in_bytes(name) else name} per {margin.of('s', 'request')}",
        value=rate.value if rate else None,
        limit=margin.amount,
        result=results.get(verdict.verdict, GateResult.INCONCLUSIVE),
        reason=GateReason.VERDICT,
        low=rate.low if rate else None,
        high=rate.high if rate else None,
    )


def failed_already(recording: Recording, arm: Arm) -> Gate | None:
    """Return a gate of this arm that fails whatever comes, while the run goes on; None where none is certain to.

    That is a highest memory that is above its limit already; every other measure can still fall.
    """
    highest = peak(arm, RSS).value
    for asked in recording.manifest.gates:
        if asked.gate == "max_rss" and not asked.of_before and highest is not None and highest > asked.limit:
            unit, fails = GATES[asked.gate].unit, (GateResult.FAIL, GateReason.BEYOND)
            return Gate(asked.gate, arm.name, unit, highest, asked.limit, *fails, asked=asked)
    return None


def _gate(asked: GateLimit, candidate: JudgedArm, baseline: JudgedArm | None) -> Gate:
    measured, before, limit = _measured(asked, candidate, baseline)
    reason, detail = _reason(asked, baseline, measured, before, limit)
    objections = candidate.objections
    if baseline is not None and asked.gate in COMPARED:
        objections = (*objections, *baseline.standing)
    changed = any(one.kind is ObjectionKind.CHANGED for one in objections)
    if changed or (objections and (reason is GateReason.WITHIN or asked.gate in LOAD_DEPENDENT)):
        reason, detail = GateReason.OBJECTION, objections[0].sentence
    results = {GateReason.WITHIN: GateResult.PASS, GateReason.BEYOND: GateResult.FAIL}
    return Gate(
        gate=asked.gate,
        arm=candidate.arm.name,
        unit=_unit(asked),
        value=measured.value,
        limit=limit,
        result=results.get(reason, GateResult.INCONCLUSIVE),
        reason=reason,
        low=measured.low,
        high=measured.high,
        asked=asked,
        detail=detail,
        requests=measured.requests,
    )


def _measured(
    asked: GateLimit, candidate: JudgedArm, baseline: JudgedArm | None
) -> tuple[GateValue, GateValue | None, float | None]:
    """Return the value of a gate, that of the arm before where its limit is relative to it, and the limit."""
    if (compare := COMPARED.get(asked.gate)) is not None:
        return compare(asked, candidate, baseline) if baseline else GateValue(None), None, asked.limit
    measured = MEASURES[asked.gate](candidate)
    if not asked.of_before:
        return measured, None, asked.limit
    before = MEASURES[asked.gate](baseline) if baseline else None
    return measured, before, None if before is None or before.value is None else asked.limit * before.value


def _unit(asked: GateLimit) -> str:
    unit = GATES[asked.gate].unit
    return f"bytes per {'request' if asked.per_request else 's'}" if unit == "leak" else unit


def _reason(
    asked: GateLimit,
    baseline: JudgedArm | None,
    measured: GateValue,
    before: GateValue | None,
    limit: float | None,
) -> tuple[GateReason, str]:
    """Compare a value, with its whole interval, with its limit; return the reason and its detail."""
    if asked.needs_before and baseline is None:
        return GateReason.NO_BASELINE, ""
    if limit is None:
        return GateReason.BASELINE_NOT_MEASURED, before.why_not if before else ""
    if measured.value is None:
        return GateReason.NOT_MEASURED, measured.why_not
    ends = (end if end is not None else measured.value for end in (measured.low, measured.high))
    within = [end <= limit if asked.relation == AT_MOST else end >= limit for end in ends]
    if not all(within):
        return GateReason.LIMIT_IN_INTERVAL if any(within) else GateReason.BEYOND, ""
    if measured.flatters:
        return GateReason.NOT_MEASURED, measured.flatters
    few = measured.requests is not None and measured.requests < needed_requests(asked.relation, limit)
    return GateReason.TOO_FEW_REQUESTS if few else GateReason.WITHIN, ""


def needed_requests(relation: str, limit: float) -> float:
    """Return how many requests can show a share within the limit; 0 where no case at all is allowed."""
    rare = limit if relation == AT_MOST else 1 - limit
    return ENOUGH / rare if rare > 0 else 0.0


def _leak_vs_before(asked: GateLimit, candidate: JudgedArm, baseline: JudgedArm) -> GateValue:
    """Return by how much memory leaks faster than in the arm before: the difference of the rates of both.

    The arms are independent, so that the distances of the ends of both intervals add up in quadrature: with the rates a
    and b, the upper end is a - b + hypot(a_high - a, b - b_low), the lower one a - b - hypot(a - a_low, b_high - b).
    """
    rates = []
    for judged in (candidate, baseline):
        memory = judged.verdict.memory
        rate = None if memory is None else memory.per_request if asked.per_request else memory.per_s
        if rate is None:
            clock = "request" if asked.per_request else "time"
            return GateValue(None, f"{judged.arm.name} has no leak rate of memory per {clock}")
        rates.append(rate)
    more = rates[0] + -rates[1]
    return GateValue(more.value, low=more.low, high=more.high)


def _time_to_oom(judged: JudgedArm) -> GateValue:
    """Return what is left to the limit over the leak rate, with its interval; infinite where nothing grows."""
    verdict = judged.verdict
    if verdict.oom_kills:
        return GateValue(0.0)
    if verdict.headroom_bytes is None:
        return GateValue(None, f"{verdict.arm} has no memory limit, or its memory was not read")
    if verdict.headroom_bytes <= 0:
        return GateValue(0.0)
    rate = verdict.to_the_limit
    if rate is None:
        return GateValue(None, f"{verdict.arm} has no leak rate in bytes")
    value, low, high = (
        verdict.headroom_bytes / per_s if per_s > 0 else math.inf
        for per_s in (rate.value, rate.high, rate.low)
    )
    return GateValue(value, low=low, high=high)


def _p99(judged: JudgedArm) -> GateValue:
    quantiles = judged.arm.latency.latency_ms
    if quantiles is None:
        return GateValue(None, f"{judged.arm.name} has no latencies of the load")
    p99_ms = quantiles[QUANTILES.index(99.0)]
    if p99_ms >= LONGEST_MS:
        return GateValue(None, _TOO_LONG)
    unsent = _unsent(judged.arm, 0.0)
    flatters = (
        f"{unsent:.1%} of the requests were not sent, and have no latency" if unsent > BEYOND_P99 else ""
    )
    return GateValue(p99_ms, flatters=flatters)


def _p99_drift(judged: JudgedArm) -> GateValue:
    quarters = judged.arm.latency.quarters_p99_ms
    if quarters is None or quarters[0] <= 0:
        return GateValue(None, f"{judged.arm.name} has no latencies in every quarter of the load")
    if quarters[-1] >= LONGEST_MS:
        return GateValue(None, _TOO_LONG)
    if (unsent := _unsent(judged.arm, 0.75)) > BEYOND_P99:
        return GateValue(
            None, f"{unsent:.1%} of the requests of its last quarter were not sent, and have no latency"
        )
    return GateValue(quarters[-1] / quarters[0])


def _unsent(arm: Arm, since: float) -> float:
    """Return the share of the requests planned from that share of the load on that were not sent."""
    rows = arm.requests[arm.requests["phase"] == LOAD]
    last = rows[rows["t_s"] >= rows["t_s"].quantile(since)]
    planned = float(last["planned"].sum())
    return float(last["missed"].sum()) / planned if planned else 0.0


def _error_rate(judged: JudgedArm) -> GateValue:
    load = judged.load
    if not load.sent:
        return GateValue(None, f"{load.arm} was sent no requests")
    return GateValue(sum(load.failed.values()) / load.sent, requests=load.sent)


def _availability(judged: JudgedArm) -> GateValue:
    load = judged.load
    if load.availability is None:
        return GateValue(None, f"no requests were planned for {load.arm}")
    unsent = load.missed - load.missed_dead
    if not unsent or load.failed_alive["timeout"]:  # an arm that does not answer keeps its users from sending
        return GateValue(load.availability, requests=load.planned)
    # else it may be the load generator's fault: what was not sent to an arm alive could have been answered well
    highest = min(1.0, (load.ok + unsent) / load.planned)
    return GateValue(load.availability, low=load.availability, high=highest, requests=load.planned)


def _peak(judged: JudgedArm, column: str) -> GateValue:
    highest = peak(judged.arm, column)
    return GateValue(highest.value, highest.why_not)


def _drained(judged: JudgedArm, column: str) -> GateValue:
    """Return what is left after the drain; without a ladder, the most under load is the nearest to it."""
    rungs = judged.arm.ladder[judged.arm.ladder["rung"] == "drained"][column].dropna()
    if len(rungs):
        return GateValue(float(rungs.iloc[-1]))
    loaded = judged.arm.samples[judged.arm.samples["phase"] == LOAD]
    whole = loaded.empty or is_of_all(loaded, loaded, column)
    return replace(
        _peak(judged, column), flatters="" if whole else f"{column} was not read throughout the load"
    )


MEASURES: Final[dict[str, Callable[[JudgedArm], GateValue]]] = {
    "min_time_to_oom": _time_to_oom,
    "max_rss": partial(_peak, column=RSS),
    "p99_ms": _p99,
    "p99_drift": _p99_drift,
    "error_rate": _error_rate,
    "availability": _availability,
    "tasks": partial(_drained, column="tasks_alive"),
    "sessions": partial(_drained, column="sessions_open"),
    "fds": partial(_drained, column="fds"),
}
"""The measure of each gate that looks at the candidate alone."""
COMPARED: Final = {LEAK_VS_BEFORE: _leak_vs_before}
"""The measure of each gate that looks at the candidate beside the arm before."""
