"""A verdict as one sentence."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from analysis.formatting import HOUR_S, format_bytes, format_duration, format_interval
from analysis.judge.reasons import COUNT_NAMES
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, Rate, Window
from analysis.recording.accounting import CHARGED, HELD, NATIVE, OWN, PARTS, PYTHON, REST
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict
from analysis.verdict.injected import ControlResult, InjectedControl
from analysis.verdict.signals import LIMITS, RSS, USS, WITH_FILES, in_bytes
from analysis.verdict.validity import ObjectionKind
from soak.contract import verdict_name

SIGNAL_NAMES: Final = {
    HELD: "memory in use",
    PYTHON: "Python memory",
    NATIVE: "native memory",
    REST: "other memory",
    OWN: "own memory",
    CHARGED: "memory charged",
    USS: "USS",
    RSS: "RSS",
    WITH_FILES: "memory with file pages",
    **COUNT_NAMES,
}
SMALLEST_BOUND: Final = 1.0
"""Bytes per request or per hour: no bound is stated below it, as no reading is so exact."""


def verdict_line(verdict: ArmVerdict) -> str:
    """Return the whole line: ``fixed: NO LEAK: leak < 61 B/request (95% upper bound; RSS)``."""
    return f"{verdict.arm}: {verdict_name(verdict.verdict)}: {verdict_sentence(verdict)}."


def verdict_sentence(verdict: ArmVerdict) -> str:
    """Return the verdict in figures, without a full stop."""
    if verdict.verdict == LEAK:
        parts = _leak(verdict)
    elif verdict.verdict == NO_LEAK:
        parts = _no_leak(verdict)
    else:
        parts = [verdict.reason, *_more(verdict), *_detectable(verdict)]
    if verdict.ended:
        of = "1 of its processes" if verdict.ended == 1 else f"{verdict.ended} of its processes"
        parts.append(f"{of} ended under load, not for memory")
    return "; ".join(parts)


def rate_text(value: float, signal: str, margin: Margin, more_digits: int = 0) -> str:
    """Return a rate in the clock of the margin: ``61 B/request``, ``0.9 tasks/h``, ``1 task/h``."""
    amount = _amount(value, signal, margin, more_digits)
    unit = "" if in_bytes(signal) else f" {SIGNAL_NAMES[signal]}"
    if amount == "1":
        unit = unit.removesuffix("s")
    return f"{amount}{unit}/{margin.of('h', 'request')}"


def margin_text(margin: Margin, more_digits: int = 0) -> str:
    """Return the leak that would matter, in bytes."""
    return rate_text(margin.amount or 0.0, RSS, margin, more_digits)


def interval_text(rate: Rate, signal: str, margin: Margin, more_digits: int = 0) -> str:
    """Return the ends of the interval, no clock: ``-12 B to 61 B``, ``1.12 KiB to 1.14 KiB``, ``0.9 to 1.1``."""
    return format_interval(
        rate.low, rate.high, lambda end, more: _amount(end, signal, margin, more_digits + more)
    )


def control_line(control: InjectedControl) -> str:
    """Return what was injected into the copy of the candidate and what was measured, a line like that of a verdict."""
    copy, margin = control.copy.verdict, control.copy.verdict.margin
    kinds = ", ".join(f"{kind} {_memory(rate, margin)}" for kind, rate in control.leak.rates.items())
    parts = [f"injected {injected_text(control)} ({kinds})"]
    if control.measured is not None:
        parts.append(f"measured {_measured(control.measured, margin)}")
    if control.called_by:
        parts.append(f"LEAK by {', '.join(SIGNAL_NAMES[name] for name in control.called_by)}")
    else:
        parts.append(f"{verdict_name(copy.verdict)}: {copy.reason}")
    return f"{copy.arm} (control): {'; '.join(parts)}."


def injected_text(control: InjectedControl) -> str:
    """Return the rate of the injected leak: ``800 B/request``."""
    return _memory(control.leak.rate, control.copy.verdict.margin)


def refusal(control: InjectedControl) -> str:
    """Return why the copy of the candidate allows no sign-off, beginning with its name."""
    copy, injected = control.copy.verdict, injected_text(control)
    if control.result is ControlResult.NOT_INJECTED:
        why = "the probe kept nothing of it" if control.has_probe else "its processes have no probe"
        return f"{copy.arm}: no leak was injected, {why}"
    if control.result is ControlResult.NOT_CALLED:
        why = f" ({copy.reason})" if copy.verdict == INCONCLUSIVE else ""
        return (
            f"{copy.arm} is not LEAK by its memory but {verdict_name(copy.verdict)}{why}; sign-off requires its "
            f"injected leak of {injected} to be detected"
        )
    if control.measured is None or control.own is None:
        return f"{copy.arm}: the rate of its injected leak of {injected} was not measured"
    return (
        f"{copy.arm} leaks {_measured(control.measured, copy.margin)}, which does not agree with the injected "
        f"{injected} and the candidate's own {_measured(control.own, copy.margin)}"
    )


def _measured(rate: Rate, margin: Margin) -> str:
    return f"{_memory(rate.value, margin)} ({interval_text(rate, RSS, margin)}, 99.9%)"


def _memory(rate: float, margin: Margin) -> str:
    return rate_text(rate, RSS, margin)


def signal_text(signal: SignalVerdict) -> str:
    """Return what was judged: ``memory in use at quiesce points``."""
    return SIGNAL_NAMES[signal.judgement.signal] + (" at quiesce points" if signal.settled else "")


def _leak(verdict: ArmVerdict) -> list[str]:
    leading, rate = verdict.leading, verdict.rate
    if leading is None or rate is None:
        return [verdict.reason]
    name, margin = leading.judgement.signal, verdict.margin
    parts = [
        f"{rate_text(rate.value, name, margin)} ({interval_text(rate, name, margin)}, 95%) by {signal_text(leading)}"
    ]
    leaking = [s for s in verdict.signals if s.leaks and s is not leading]
    in_parts = [SIGNAL_NAMES[s.judgement.signal] for s in leaking if s.judgement.signal in PARTS]
    if name == HELD:
        parts.append(f"in {' and '.join(in_parts)}" if in_parts else "in several parts, none a leak alone")
    others = [
        SIGNAL_NAMES[s.judgement.signal] for s in leaking if name != HELD or s.judgement.signal not in PARTS
    ]
    if others:
        parts.append(f"confirmed by {', '.join(others)}")
    parts += [
        _limit(s) for s in verdict.signals if s.leaks and s.judgement.signal in LIMITS and s.judgement.oom
    ]
    if verdict.oom_kills:
        parts.append("OOM-killed once" if verdict.oom_kills == 1 else f"OOM-killed {verdict.oom_kills} times")
    elif verdict.memory is not None and (oom := verdict.memory.oom) is not None:
        parts.append(f"time to OOM: {_window(oom)}")
    return parts


def _no_leak(verdict: ArmVerdict) -> list[str]:
    leading, rate = verdict.leading, verdict.rate
    if leading is None or rate is None:
        return [verdict.reason]
    name, margin = leading.judgement.signal, verdict.margin
    smallest = SMALLEST_BOUND / margin.of(HOUR_S, 1)
    bound = rate_text(max(rate.high, smallest), name, margin)
    reserve = ""
    if verdict.reserve is not None and verdict.reserve * margin.of(HOUR_S, 1) >= 1:
        reserve = f", {_amount(verdict.reserve, name, margin)} of it reserve"
    parts = [f"leak < {bound} (95% upper bound; {signal_text(leading)}{reserve})"]
    if verdict.cleared_by_report_bytes is not None:
        grown = format_bytes(verdict.cleared_by_report_bytes)
        parts.append(
            f"own memory grew by {grown}, free by the target's own word, which is confirmed from outside"
        )
    per_s = verdict.to_the_limit
    if verdict.headroom_bytes is not None and verdict.headroom_bytes > 0 and per_s is not None:
        least_s = verdict.headroom_bytes / max(per_s.high, SMALLEST_BOUND / HOUR_S)
        parts.append(f"the memory limit is reached in {format_duration(least_s)} at the earliest")
    return parts


def _limit(signal: SignalVerdict) -> str:
    """Return when a count meets its own limit."""
    oom, name = signal.judgement.oom or Window(0.0, math.inf), SIGNAL_NAMES[signal.judgement.signal]
    return f"{name} run out in {_window(oom)} (limit {signal.limit:,.0f})"


def _window(when: Window) -> str:
    """Return from when to when: ``3.0 h to 5.2 h``, ``at least 3.0 h``, ``about 12 min`` where both are that."""
    low, high = format_duration(when.low), format_duration(when.high)
    if math.isinf(when.high):
        return f"at least {low}"
    return f"about {low}" if low == high else f"{low} to {high}"


def _detectable(verdict: ArmVerdict) -> list[str]:
    if verdict.detectable is None or verdict.leading is None:
        return []
    text = rate_text(verdict.detectable, verdict.leading.judgement.signal, verdict.margin)
    return [f"minimum detectable leak {text}"]


def _more(verdict: ArmVerdict) -> list[str]:
    """Return how much more load would decide, where the reason is an objection; a signal's own reason states it."""
    more_s = verdict.leading.judgement.more_s if verdict.leading else None
    if verdict.objection is None or verdict.objection.kind is ObjectionKind.DAY or not more_s:
        return []
    return [f"about {format_duration(more_s)} more of the same load would decide"]


def _amount(value: float, signal: str, margin: Margin, more_digits: int = 0) -> str:
    times = margin.of(HOUR_S, 1)
    if in_bytes(signal):
        return format_bytes(value * times, more_digits=more_digits)
    digits = margin.of(3, 6)  # below that it is the noise of the arithmetic
    rate = round(value * times, digits) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return (
        f"{rate:,.0f}"
        if abs(rate) >= 100
        else np.format_float_positional(float(f"{rate:.{2 + more_digits}g}"), trim="-")
    )
