"""An arm's verdict, from scripted verdicts on its signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from analysis.verdict.validity import Objection, ObjectionKind
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


@contextmanager
def judged_by(script: Script) -> Iterator[None]:
    """Let the script judge every signal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.verdict.arm.judge_signal", script)
        yield


def judged(
    run_dir: Path,
    verdicts: Mapping[str, Verdict] | None = None,
    rate: float = 0.0,
    against: tuple[Objection, ...] = (),
) -> tuple[ArmVerdict, Script]:
    """Judge the arm ``fixed`` by a script; its signals are live blocks, native bytes, RSS and open sessions."""
    recording, script = read_recording(run_dir), Script(verdicts or {}, rate)
    with judged_by(script):
        return arm_verdict(recording, recording.arms[1], against), script


def test_an_arm_is_cleared_by_its_best_signal(build_run: Build) -> None:
    """NO LEAK states its bound and the time to the limit at that bound."""
    verdict, _ = judged(build_run())
    assert verdict_line(verdict) == (
        "fixed: NO LEAK: leak < 10 B/request (95% upper bound; RSS); at this bound the memory limit is reached in "
        "501 days at the earliest."
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
        "fixed: LEAK: 500 B/request (490 B to 510 B, 95%) by RSS; confirmed by live blocks; "
        "time to OOM: 60 min to 2.0 h."
    )


def test_a_leak_of_tasks_is_told_with_when_memory_ends(build_run: Build) -> None:
    """By the growth of memory, which is above zero though not yet a leak of its own."""
    verdict, _ = judged(build_run(), {"sessions_open": LEAK, "rss_bytes": INCONCLUSIVE}, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 open sessions/request (490 to 510, 95%) by open sessions; time to OOM: 60 min to 2.0 h."
    )


def test_an_undecided_best_signal_leaves_the_arm_undecided(build_run: Build) -> None:
    """With the signal's reason, which states how much more load would decide, and the minimum detectable leak."""
    verdict, _ = judged(build_run(), {"rss_bytes": INCONCLUSIVE})
    assert verdict_line(verdict) == (
        "fixed: INCONCLUSIVE: as scripted; minimum detectable leak 80 B/request."
    )


def test_an_objection_to_an_undecided_arm_leaves_room_for_how_much_more_load_would_decide(
    build_run: Build,
) -> None:
    """The reason is the objection's, so that of the signal is missing."""
    objection = Objection("fixed", ObjectionKind.LOAD, "too few requests")
    verdict, _ = judged(build_run(), {"rss_bytes": INCONCLUSIVE}, against=(objection,))
    assert verdict_line(verdict) == (
        "fixed: INCONCLUSIVE: too few requests; about 2.0 h more of the same load would decide; "
        "minimum detectable leak 80 B/request."
    )


def test_a_load_that_did_not_arrive_decides_nothing(build_run: Build) -> None:
    """The verdict on the data alone is stated, but is no verdict."""
    objection = Objection("fixed", ObjectionKind.LOAD, "too few requests")
    verdict, _ = judged(build_run(), {"rss_bytes": LEAK}, against=(objection,))
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.reason == "too few requests; on the data alone: LEAK (as scripted)"


@pytest.mark.parametrize(("of_rss", "of_arm"), [(LEAK, LEAK), (NO_LEAK, INCONCLUSIVE)])
def test_readings_that_are_missing_do_not_stand_against_a_leak(
    build_run: Build, of_rss: Verdict, of_arm: Verdict
) -> None:
    """By the kind of the objection, whatever its text."""
    objection = Objection("fixed", ObjectionKind.UNREAD, "memory was read at 1 of the 9 ticks")
    verdict, _ = judged(build_run(), {"rss_bytes": of_rss}, against=(objection,))
    assert verdict.verdict == of_arm


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
    with judged_by(script):
        return arm_verdict(recording, replace(arm, samples=with_live_bytes(samples)))


def test_what_the_allocators_hold_is_no_leak(build_run: Build) -> None:
    """Free pools that make up most of what RSS gained: the arm is cleared by its live bytes, and the line says so."""
    verdict = with_pools(build_run(), 120e3, {"rss_bytes": LEAK})
    assert verdict_line(verdict) == (
        "fixed: NO LEAK: leak < 1,010 B/request (95% upper bound; live bytes); at this bound the memory limit is "
        "reached in 5 days at the earliest; RSS growth is memory the allocator retains, not live objects."
    )


def test_the_limit_is_met_by_what_is_held_too(build_run: Build) -> None:
    """433 MB are left; resident memory gains 20 kB a second, whatever of it is free."""
    verdict = with_pools(build_run(), 120e3, {"rss_bytes": LEAK})
    fast = Rate(19e3, 18e3, 20e3)
    signals = tuple(
        replace(signal, judgement=replace(signal.judgement, per_s=fast))
        if signal.explained_by_allocator
        else signal
        for signal in verdict.signals
    )
    assert "the memory limit is reached in 6.0 h at the earliest" in verdict_line(
        replace(verdict, signals=signals)
    )


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
    assert not any(signal.explained_by_allocator for signal in verdict.signals)


@pytest.mark.parametrize(("kill_hour", "answer"), [(5.6, None), (None, False)])
def test_a_cache_that_fills_until_its_process_is_killed_explains_nothing(
    build_run: Build, kill_hour: float | None, answer: bool | None
) -> None:
    """It has no bound; one that still fills in an arm that lives may have one, and is told to the judge."""
    recording, script = read_recording(build_run(kill_hour=kill_hour)), Script({})
    with judged_by(script):
        arm_verdict(recording, recording.arms[0])
    assert script.bounded["rss_bytes"] is answer
    assert script.bounded["live_blocks"] is answer
    assert script.bounded["sessions_open"] is None


def test_a_cache_that_stops_is_known_also_in_an_arm_that_was_killed(build_run: Build) -> None:
    """Only what still grows is not believed after a kill."""
    recording, script = read_recording(build_run()), Script({})
    before, after = recording.arms
    killed = replace(after, lives=before.lives)
    with judged_by(script):
        arm_verdict(recording, killed)
    assert script.bounded["rss_bytes"] is True
