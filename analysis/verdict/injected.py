"""Whether the leak that was injected into the copy of the candidate was called, and measured at its rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from analysis.judge import judge_signal
from analysis.judge.types import LEAK, Margin, Rate
from analysis.recording.model import Arm, Phase
from analysis.verdict.arm import JudgedArm
from analysis.verdict.signals import evidence, in_bytes
from soak.contract import InjectedLeak

END_ERROR: Final = 0.0005
"""Chance that a rate lies beyond either end of its interval, which is that of 99.9%: the copy and the candidate have
two such ends each, so chance alone refuses at most 0.2% of the sign-offs, of the 1% that is the goal."""
UNCOUNTED_SHARE: Final = 0.05
"""Share of the injected rate by which the measured one may differ beside chance: the probe counts blocks, an allocator
also their headers and the ends of pages that fit none (0.8% of malloc's blocks of 1,000 bytes, 1% of Python's of 208
in pools of 16 KiB, 3.6% in those of 4 KiB up to Python 3.9)."""


class ControlResult(StrEnum):
    """Whether the control allows a sign-off."""

    SEEN = "seen"
    NOT_INJECTED = "not injected"
    """Nothing was kept: its processes have no probe, or it did not do what it was asked for."""
    NOT_CALLED = "not called"
    """No signal of its memory is LEAK, or an objection to its recording stands."""
    NOT_MEASURED = "not measured"
    """The rate of the copy or of the candidate could not be computed."""
    RATE_OUTSIDE = "rate outside"


@dataclass(frozen=True, slots=True)
class InjectedControl:
    """The copy of the candidate; rates are bytes per request or per second, as the margin is."""

    copy: JudgedArm
    leak: InjectedLeak
    injected_bytes: int
    """Bytes that the probe kept, of all kinds and lives; 0 also where the run did not live to record them."""
    called_by: tuple[str, ...]
    """The signals of its memory that are LEAK; a count is none, as the injected leak is memory."""
    measured: Rate | None
    """The rate of its memory in use with the interval at 99.9%."""
    own: Rate | None
    """The same of the candidate, into which nothing was injected."""
    result: ControlResult

    @property
    def has_probe(self) -> bool:
        """Whether a probe in the copy ever answered."""
        return bool(self.copy.arm.samples["probe_ms"].notna().any())


def injected_control(
    copy: JudgedArm,
    candidate: JudgedArm | None,
    load: Phase | None,
    leak: InjectedLeak,
    injected_bytes: Mapping[str, int],
) -> InjectedControl:
    """Check the copy against the leak that was injected and the rate of the candidate."""
    measured, own = (
        measured_rate(one.arm, load, one.verdict.margin) if one and load else None
        for one in (copy, candidate)
    )
    control = InjectedControl(
        copy=copy,
        leak=leak,
        injected_bytes=sum(injected_bytes.values()),
        called_by=tuple(
            one.judgement.signal
            for one in copy.verdict.signals
            if one.leaks and in_bytes(one.judgement.signal) and copy.verdict.verdict == LEAK
        ),
        measured=measured,
        own=own,
        result=ControlResult.SEEN,
    )
    return replace(control, result=_result(control))


def _result(control: InjectedControl) -> ControlResult:
    if not control.has_probe:
        return ControlResult.NOT_INJECTED
    if not control.called_by:
        return ControlResult.NOT_CALLED if control.injected_bytes else ControlResult.NOT_INJECTED
    if control.measured is None or control.own is None:
        return ControlResult.NOT_MEASURED
    agreed = agrees(control.leak.rate, control.measured, control.own)
    return ControlResult.SEEN if agreed else ControlResult.RATE_OUTSIDE


def agrees(injected: float, measured: Rate, own: Rate) -> bool:
    """Return whether the interval of the copy meets that of the injected rate beside what the candidate leaks."""
    low = injected * (1 - UNCOUNTED_SHARE) + own.low
    high = injected * (1 + UNCOUNTED_SHARE) + own.high
    return measured.low <= high and measured.high >= low


def measured_rate(arm: Arm, load: Phase, margin: Margin) -> Rate | None:
    """Return the rate of an arm's memory with its interval at 99.9%, in the clock of the margin; None without one."""
    found = evidence(arm, load, margin, headroom_bytes=None)
    if found is None:
        return None
    readings = found.whole.readings
    judgement = judge_signal(readings, margin, alpha=END_ERROR, bound_error=END_ERROR, detectable=False)
    return margin.of(judgement.per_s, judgement.per_request)
