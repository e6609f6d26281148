"""The verdict on an arm, from the verdicts on its signals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from analysis.formatting import verdict_name
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Judgement, Margin, Rate, SignalSeries, Verdict
from analysis.recording.model import LIVE_BYTES, Arm, Phase, Recording
from analysis.verdict.other_explanations import bounded, end_memory, held_by_allocator
from analysis.verdict.signals import LIVE_BLOCKS, RSS, USS, Signal, in_bytes, leak_margin, signals

FAMILY_ERROR: Final = 0.025
"""Of calling any signal of a healthy arm a leak: divided evenly among those that are judged (Bonferroni)."""
BEST_FIRST: Final = (LIVE_BYTES, USS, RSS)
"""The byte signals that can clear an arm; the best that was read must."""
HELD_AT_LEAST: Final = 0.5
"""Of the growth of resident memory, for it to be called held by the allocator."""


class Judge(Protocol):
    """What judges one signal: ``analysis.judge.signal``."""

    def __call__(  # noqa: D102
        self,
        readings: SignalSeries,
        margin: Margin,
        *,
        limit_bytes: float | None = None,
        alpha: float = 0.025,
        bounded: bool | None = None,
        detectable: bool = True,
    ) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class SignalVerdict:
    """One signal, judged."""

    judgement: Judgement
    margin: Margin
    """In the signal's unit."""
    settled: bool
    """At quiesce points."""
    held: bool = False
    """A leak of resident memory that no object holds: the allocator does."""

    @property
    def leaks(self) -> bool:
        """Whether the arm must answer for a leak here."""
        return self.judgement.verdict == LEAK and not self.held


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
    """What the memory limit leaves above the arm's memory at the end of the load."""
    oom_kills: int

    @property
    def rate(self) -> Rate | None:
        """The leading signal's rate, per request where the margin is, else per second."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        return judgement.per_request if self.margin.per_request is not None else judgement.per_s

    @property
    def memory(self) -> Judgement | None:
        """The judgement of the leading signal, or where that is not of memory, of the first that is; with a rate."""
        leading = [] if self.leading is None else [self.leading]
        judged = (signal.judgement for signal in (*leading, *self.signals))
        return next((one for one in judged if one.per_s and in_bytes(one.signal)), None)

    @property
    def to_the_limit(self) -> Rate | None:
        """Bytes per second by which resident memory may come to its limit: of what leads and what is held, the most."""
        grown = [signal.judgement.per_s for signal in self.signals if signal.held]
        if self.leading is not None and in_bytes(self.leading.judgement.signal):
            grown.insert(0, self.leading.judgement.per_s)
        return max((rate for rate in grown if rate is not None), key=lambda rate: rate.high, default=None)

    @property
    def detectable(self) -> float | None:
        """The minimum detectable leak, likewise."""
        if self.leading is None:
            return None
        judgement = self.leading.judgement
        per_request = self.margin.per_request is not None
        return judgement.detectable_per_request if per_request else judgement.detectable_per_s


def arm_verdict(
    recording: Recording,
    arm: Arm,
    against: Iterable[str],
    judge: Judge,
    *,
    unread: Iterable[str] = (),
    error: float = FAMILY_ERROR,
    detectable: bool = True,
) -> ArmVerdict:
    """Judge every signal of an arm, then the arm.

    ``against`` is what the check of the load holds against this arm: with any of it, what the signals say stands in the
    reason only. What of it is ``unread``, readings that are missing, does not stand against a leak. ``error`` is the
    family-wise error of this look. The minimum detectable leak is found only if asked for, as it takes longest.
    """
    margin, load = leak_margin(recording, arm), recording.load
    kills = sum(life.oom_killed for life in arm.lives)
    if load is None:
        return ArmVerdict(
            arm.name, INCONCLUSIVE, "the run did not reach the phase load", margin, None, (), None, kills
        )
    end_bytes = end_memory(arm, load)
    headroom = None if arm.limit_bytes is None or end_bytes is None else arm.limit_bytes - end_bytes
    judged = _judged(arm, load, signals(arm, load, margin), judge, headroom, error, detectable=detectable)
    verdict, leading, reason = _decide(judged)
    if leading is not None:
        reason = leading.judgement.reason if verdict == leading.judgement.verdict else reason
    missing = set(unread) if verdict == LEAK else set()
    if reasons := [reason for reason in against if reason not in missing]:
        says = (
            ""
            if verdict == INCONCLUSIVE
            else f"; the readings alone would say {verdict_name(verdict)}: {reason}"
        )
        verdict, reason = INCONCLUSIVE, reasons[0].removeprefix(f"{arm.name}: ") + says
    return ArmVerdict(arm.name, verdict, reason, margin, leading, judged, headroom, kills)


def _judged(
    arm: Arm,
    load: Phase,
    found: tuple[Signal, ...],
    judge: Judge,
    headroom: float | None,
    error: float,
    *,
    detectable: bool,
) -> tuple[SignalVerdict, ...]:
    stopped = bounded(arm, load)
    if stopped is False and any(life.oom_killed for life in arm.lives):
        stopped = None  # a cache that fills until its process is killed has no bound that could explain it
    best = next((name for name in BEST_FIRST if any(s.readings.signal == name for s in found)), None)
    verdicts = []
    for signal in found:
        name = signal.readings.signal
        judgement = judge(
            signal.readings,
            signal.margin,
            limit_bytes=_limit(signal, headroom),
            alpha=error / len(found),
            bounded=stopped if in_bytes(name) or name == LIVE_BLOCKS else None,
            detectable=detectable and name == best,
        )
        verdicts.append(SignalVerdict(judgement, signal.margin, signal.readings.settled))
    return _with_held(arm, load, verdicts)


def _limit(signal: Signal, headroom: float | None) -> float | None:
    """Return the value at which the signal meets the memory limit: what is left, above its own last level."""
    values = signal.readings.value[np.isfinite(signal.readings.value)]
    if headroom is None or not in_bytes(signal.readings.signal) or not len(values):
        return None
    return float(values[-1]) + max(0.0, headroom)


def _with_held(arm: Arm, load: Phase, verdicts: list[SignalVerdict]) -> tuple[SignalVerdict, ...]:
    """Mark a leak of resident memory as held where live bytes do not leak and the allocators hold most of it."""
    live = next((v for v in verdicts if v.judgement.signal == LIVE_BYTES), None)
    if live is None or live.judgement.verdict != NO_LEAK:
        return tuple(verdicts)
    kept = held_by_allocator(arm, load)
    return tuple(
        SignalVerdict(v.judgement, v.margin, v.settled, held=_is_held(v.judgement, kept, load))
        for v in verdicts
    )


def _is_held(judgement: Judgement, kept_bytes: float, load: Phase) -> bool:
    if judgement.signal not in (RSS, USS) or judgement.verdict != LEAK or judgement.per_s is None:
        return False
    since_s = max(load.start_s, judgement.steady_from_s or load.start_s)
    return kept_bytes >= HELD_AT_LEAST * judgement.per_s.value * (load.end_s - since_s)


def _decide(judged: tuple[SignalVerdict, ...]) -> tuple[Verdict, SignalVerdict | None, str]:
    """Return the arm's verdict, the signal that leads it, and the reason where that is not the signal's own."""
    by_name = {verdict.judgement.signal: verdict for verdict in judged}
    best = next((by_name[name] for name in BEST_FIRST if name in by_name), None)
    leaks = [verdict for verdict in judged if verdict.leaks]
    if leaks:
        return (
            LEAK,
            next((v for name in BEST_FIRST for v in leaks if v.judgement.signal == name), leaks[0]),
            "",
        )
    if best is None:
        return INCONCLUSIVE, None, "no signal of its memory was read often enough under load"
    return best.judgement.verdict, best, ""
