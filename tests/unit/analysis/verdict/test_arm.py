"""An arm's verdict, from scripted verdicts on its signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.judge.types import (
    INCONCLUSIVE,
    LEAK,
    NO_LEAK,
    Judgement,
    Margin,
    Rate,
    SignalSeries,
    Verdict,
    Window,
)
from analysis.recording.read import read_recording, with_live_bytes
from analysis.verdict.arm import ArmVerdict, arm_verdict
from analysis.verdict.wording import verdict_line

Build = Callable[..., Path]


class Script:
    """Answers by signal, NO LEAK where nothing is scripted, and remembers what it was asked."""

    def __init__(self, verdicts: Mapping[str, Verdict], rate: float = 0.0) -> None:
        self.verdicts = verdicts
        self.rate = rate
        self.alphas: list[float] = []
        self.detectable: list[str] = []
        self.bounded: dict[str, bool | None] = {}

    def __call__(
        self,
        readings: SignalSeries,
        margin: Margin,  # noqa: ARG002 - as the real judge has it
        *,
        limit_bytes: float | None = None,
        alpha: float = 0.025,
        bounded: bool | None = None,
        detectable: bool = True,
    ) -> Judgement:
        self.alphas.append(alpha)
        self.bounded[readings.signal] = bounded
        if detectable:
            self.detectable.append(readings.signal)
        verdict = self.verdicts.get(readings.signal, NO_LEAK)
        rate = Rate(self.rate, self.rate - 10, self.rate + 10)
        oom = Window(3600, 7200) if rate.low > 0 and limit_bytes else None
        more = 7200.0 if verdict == INCONCLUSIVE else None
        return Judgement(readings.signal, verdict, "as scripted", rate, rate, 80.0, 80.0, oom, more)


def judged(
    run_dir: Path,
    verdicts: Mapping[str, Verdict] | None = None,
    rate: float = 0.0,
    against: tuple[str, ...] = (),
) -> tuple[ArmVerdict, Script]:
    """Judge the arm ``fixed`` by a script; its signals are live blocks, native bytes, RSS and open sessions."""
    recording, script = read_recording(run_dir), Script(verdicts or {}, rate)
    return arm_verdict(recording, recording.arms[1], against, script), script


def test_an_arm_is_cleared_by_its_best_signal(build_run: Build) -> None:
    """NO LEAK states the bound, the minimum detectable leak and the time to the limit."""
    verdict, _ = judged(build_run())
    assert verdict_line(verdict) == (
        "fixed: NO LEAK: any leak is below 10 B per request (95%) by RSS; minimum detectable leak 80 B per request; "
        "memory limit more than 501 days away."
    )


def test_the_error_is_divided_among_the_signals(build_run: Build) -> None:
    """Four signals are judged at 0.625% each; the costly minimum detectable leak is asked of the best only."""
    _, script = judged(build_run())
    assert script.alphas == [0.00625] * 4
    assert script.detectable == ["rss_bytes"]
    assert script.bounded["rss_bytes"] is True
    assert script.bounded["sessions_open"] is None


@pytest.mark.parametrize("signal", ["live_blocks", "malloc_in_use_bytes", "rss_bytes", "sessions_open"])
def test_any_signal_calls_a_leak(build_run: Build, signal: str) -> None:
    """Whatever the others say."""
    verdict, _ = judged(build_run(), {signal: LEAK})
    assert verdict.verdict == LEAK
    assert verdict.leading is not None
    assert verdict.leading.judgement.signal == signal


def test_a_leak_is_told_with_its_rate_and_when_memory_ends(build_run: Build) -> None:
    """And which other signals agree."""
    verdict, _ = judged(build_run(), {"rss_bytes": LEAK, "live_blocks": LEAK}, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 B per request (490 B to 510 B, 95%) by RSS; so say live blocks; minimum detectable leak "
        "80 B per request; out of memory in at least 60 min and at most 2.0 h."
    )


def test_a_leak_of_tasks_is_told_with_when_memory_ends(build_run: Build) -> None:
    """By the growth of memory, which is above zero though not yet a leak of its own."""
    verdict, _ = judged(build_run(), {"sessions_open": LEAK, "rss_bytes": INCONCLUSIVE}, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 open sessions per request (490 to 510, 95%) by open sessions; minimum detectable leak "
        "80 open sessions per request; out of memory in at least 60 min and at most 2.0 h."
    )


def test_an_undecided_best_signal_leaves_the_arm_undecided(build_run: Build) -> None:
    """With its reason, and how much longer it would take."""
    verdict, _ = judged(build_run(), {"rss_bytes": INCONCLUSIVE})
    assert verdict_line(verdict) == (
        "fixed: INCONCLUSIVE: as scripted; about 2.0 h more of the same load would decide; minimum detectable leak "
        "80 B per request."
    )


def test_a_load_that_did_not_arrive_decides_nothing(build_run: Build) -> None:
    """What the readings say is told, but is no verdict."""
    verdict, _ = judged(build_run(), {"rss_bytes": LEAK}, against=("fixed: too few requests",))
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.reason == "too few requests; the readings alone would say LEAK: as scripted"


def test_an_arm_without_a_memory_signal_is_undecided(build_run: Build) -> None:
    """A run that broke off before the load has nothing to judge."""
    verdict, script = judged(build_run(end_s=15.0))
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the run did not reach the phase load")
    assert script.alphas == []


def with_pools(run_dir: Path, free_bytes: float, verdicts: Mapping[str, Verdict]) -> ArmVerdict:
    """Judge ``fixed``, whose Python allocator holds ``free_bytes`` more of free pools at the end of the load.

    Its resident memory is scripted to grow by 1,000 bytes a second: 180 kB over the load.
    """
    recording, script = read_recording(run_dir), Script(verdicts, rate=1000.0)
    assert recording.load is not None
    arm = recording.arms[1]
    half_s = (recording.load.start_s + recording.load.end_s) / 2
    samples = arm.samples.assign(
        pymalloc_arena_bytes=50e6,
        pymalloc_free_bytes=1e6 + free_bytes * (arm.samples["t_s"] > half_s),
    )
    return arm_verdict(recording, replace(arm, samples=with_live_bytes(samples)), (), script)


def test_what_the_allocators_hold_is_no_leak(build_run: Build) -> None:
    """Free pools that make up most of what RSS gained: the arm is cleared by its live bytes, and the line says so."""
    verdict = with_pools(build_run(), 120e3, {"rss_bytes": LEAK})
    assert verdict_line(verdict) == (
        "fixed: NO LEAK: any leak is below 1,010 B per request (95%) by live bytes; minimum detectable leak 80 B per "
        "request; memory limit more than 5 days away; what RSS gained is held by the allocator."
    )


def test_the_limit_is_met_by_what_is_held_too(build_run: Build) -> None:
    """433 MB are left; resident memory gains 20 kB a second, whatever of it is free."""
    verdict = with_pools(build_run(), 120e3, {"rss_bytes": LEAK})
    fast = Rate(19e3, 18e3, 20e3)
    signals = tuple(
        replace(signal, judgement=replace(signal.judgement, per_s=fast)) if signal.held else signal
        for signal in verdict.signals
    )
    assert "memory limit more than 6.0 h away" in verdict_line(replace(verdict, signals=signals))


@pytest.mark.parametrize(
    ("free_bytes", "verdicts"),
    [
        (60e3, {"rss_bytes": LEAK}),
        (120e3, {"rss_bytes": LEAK, "live_bytes": LEAK}),
        (120e3, {"rss_bytes": LEAK, "live_bytes": INCONCLUSIVE}),
    ],
)
def test_memory_that_the_allocators_do_not_hold_is_a_leak(
    build_run: Build, free_bytes: float, verdicts: Mapping[str, Verdict]
) -> None:
    """Where the free pools are a third of the growth, or live bytes are not cleared, RSS calls the leak."""
    verdict = with_pools(build_run(), free_bytes, verdicts)
    assert verdict.verdict == LEAK
    assert not any(signal.held for signal in verdict.signals)


@pytest.mark.parametrize(("kill_hour", "answer"), [(5.6, None), (None, False)])
def test_a_cache_that_fills_until_its_process_is_killed_explains_nothing(
    build_run: Build, kill_hour: float | None, answer: bool | None
) -> None:
    """It has no bound; one that still fills in an arm that lives may have one, and is told to the judge."""
    recording, script = read_recording(build_run(kill_hour=kill_hour)), Script({})
    arm_verdict(recording, recording.arms[0], (), script)
    assert script.bounded["rss_bytes"] is answer
    assert script.bounded["live_blocks"] is answer
    assert script.bounded["sessions_open"] is None


def test_a_cache_that_stops_is_known_also_in_an_arm_that_was_killed(build_run: Build) -> None:
    """Only what still grows is not believed after a kill."""
    recording, script = read_recording(build_run()), Script({})
    before, after = recording.arms
    killed = replace(after, lives=before.lives)
    arm_verdict(recording, killed, (), script)
    assert script.bounded["rss_bytes"] is True
