"""An arm's verdict, from scripted verdicts on its signals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
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
from analysis.recording.read import read_recording
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
        patch.setattr("analysis.verdict.decision.judge_signal", script)
        yield


def judged(
    run_dir: Path,
    verdicts: Mapping[str, Verdict] | None = None,
    rate: float = 0.0,
    against: tuple[Objection, ...] = (),
) -> tuple[ArmVerdict, Script]:
    """Judge the arm ``fixed`` by a script; its signals are those of its memory and open sessions."""
    recording, script = read_recording(run_dir), Script(verdicts or {}, rate)
    with judged_by(script):
        return arm_verdict(recording, recording.arms[1], against), script


def test_an_arm_is_cleared_by_the_whole(build_run: Build) -> None:
    """NO LEAK states its bound with the reserve in it, and the time to the limit by what the limit charges."""
    verdict, _ = judged(build_run())
    assert verdict_line(verdict) == (
        "fixed: NO LEAK: leak < 20 B/request (95% upper bound; memory in use, 10 B of it reserve); the memory limit is "
        "reached in 523 days at the earliest."
    )
    assert (verdict.reserve_bytes, verdict.reserve) == (144_000, 10.0)


def test_the_error_is_divided_among_the_accusers(build_run: Build) -> None:
    """The whole, three parts and a count are judged at 0.5% each; the detectable leak is asked of the whole only."""
    _, script = judged(build_run())
    assert script.alphas == [0.005] * 7
    assert script.detectable == ["held_bytes"]
    assert script.bounded["held_bytes"] is True
    assert script.bounded["sessions_open"] is None


@pytest.mark.parametrize("signal", ["python_bytes", "native_bytes", "rest_bytes", "sessions_open"])
def test_any_part_or_count_calls_a_leak(build_run: Build, signal: str) -> None:
    """Whatever the others are."""
    verdict, _ = judged(build_run(), {signal: LEAK})
    assert verdict.verdict == LEAK
    assert verdict.leading is not None
    assert verdict.leading.judgement.signal == signal


@pytest.mark.parametrize("of_memory", [LEAK, NO_LEAK])
def test_an_arm_without_a_probe_is_judged_by_its_memory_alone(build_run: Build, of_memory: Verdict) -> None:
    """It clears and accuses, and has no reserve."""
    verdict, script = judged(build_run(probe=False), {"own_bytes": of_memory})
    assert (verdict.verdict, verdict.reserve_bytes, script.alphas) == (of_memory, None, [0.025])
    assert verdict.leading is not None
    assert verdict.leading.judgement.signal == "own_bytes"


def test_a_leak_is_told_with_its_rate_and_when_memory_ends(build_run: Build) -> None:
    """And which counts agree; in several parts it is that of the whole."""
    run_dir = build_run()
    verdict, _ = judged(run_dir, {"native_bytes": LEAK, "sessions_open": LEAK}, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 B/request (490 B to 510 B, 95%) by native memory; confirmed by open sessions; "
        "time to OOM: 60 min to 2.0 h."
    )
    leaks: dict[str, Verdict] = {"held_bytes": LEAK, "native_bytes": LEAK, "python_bytes": LEAK}
    verdict, _ = judged(run_dir, leaks, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 B/request (490 B to 510 B, 95%) by memory in use; in Python memory and native memory; "
        "time to OOM: 60 min to 2.0 h."
    )


def test_a_leak_of_tasks_is_told_with_when_memory_ends(build_run: Build) -> None:
    """By the growth of memory, which is above zero though not yet a leak of its own."""
    verdict, _ = judged(build_run(), {"sessions_open": LEAK, "held_bytes": INCONCLUSIVE}, rate=500.0)
    assert verdict_line(verdict) == (
        "fixed: LEAK: 500 open sessions/request (490 to 510, 95%) by open sessions; time to OOM: 60 min to 2.0 h."
    )


def test_an_undecided_whole_leaves_the_arm_undecided(build_run: Build) -> None:
    """With the signal's reason, which states how much more load would decide, and the minimum detectable leak."""
    verdict, _ = judged(build_run(), {"held_bytes": INCONCLUSIVE})
    assert verdict_line(verdict) == (
        "fixed: INCONCLUSIVE: as scripted; minimum detectable leak 80 B/request."
    )


def test_an_objection_to_an_undecided_arm_leaves_room_for_how_much_more_load_would_decide(
    build_run: Build,
) -> None:
    """The reason is the objection's, so that of the signal is missing."""
    objection = Objection("fixed", ObjectionKind.LOAD, "too few requests")
    verdict, _ = judged(build_run(), {"held_bytes": INCONCLUSIVE}, against=(objection,))
    assert verdict_line(verdict) == (
        "fixed: INCONCLUSIVE: too few requests; about 2.0 h more of the same load would decide; "
        "minimum detectable leak 80 B/request."
    )


def test_a_load_that_did_not_arrive_decides_nothing(build_run: Build) -> None:
    """The verdict on the data alone is stated, but is no verdict."""
    objection = Objection("fixed", ObjectionKind.LOAD, "too few requests")
    verdict, _ = judged(build_run(), {"native_bytes": LEAK}, against=(objection,))
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.reason == "too few requests; on the data alone: LEAK (as scripted)"


@pytest.mark.parametrize(("of_memory", "of_arm"), [(LEAK, LEAK), (NO_LEAK, INCONCLUSIVE)])
def test_readings_that_are_missing_do_not_stand_against_a_leak(
    build_run: Build, of_memory: Verdict, of_arm: Verdict
) -> None:
    """By the kind of the objection, whatever its text."""
    objection = Objection("fixed", ObjectionKind.UNREAD, "memory was read at 1 of the 9 ticks")
    verdict, _ = judged(build_run(), {"native_bytes": of_memory}, against=(objection,))
    assert verdict.verdict == of_arm


def test_an_arm_without_a_memory_signal_is_undecided(build_run: Build) -> None:
    """A run that broke off before the load has nothing to judge."""
    verdict, script = judged(build_run(end_s=15.0))
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the run did not reach the phase load")
    assert script.alphas == []


@pytest.mark.parametrize(("kill_hour", "answer"), [(5.6, None), (None, False)])
def test_a_cache_that_fills_until_its_process_is_killed_explains_nothing(
    build_run: Build, kill_hour: float | None, answer: bool | None
) -> None:
    """It has no bound; one that still fills in an arm that lives may have one, and is told to the judge."""
    recording, script = read_recording(build_run(kill_hour=kill_hour)), Script({})
    with judged_by(script):
        arm_verdict(recording, recording.arms[0])
    assert script.bounded["held_bytes"] is answer
    assert script.bounded["native_bytes"] is answer
    assert script.bounded["sessions_open"] is None


def test_a_cache_that_stops_is_known_also_in_an_arm_that_was_killed(build_run: Build) -> None:
    """Only what still grows is not believed after a kill."""
    recording, script = read_recording(build_run()), Script({})
    before, after = recording.arms
    killed = replace(after, lives=before.lives)
    with judged_by(script):
        arm_verdict(recording, killed)
    assert script.bounded["held_bytes"] is True


def test_a_killed_arm_in_which_nothing_grows_is_not_passed(build_run: Build) -> None:
    """Its memory met the limit, in whatever reading that is not."""
    recording = read_recording(build_run())
    before, after = recording.arms
    with judged_by(Script({})):
        found = arm_verdict(recording, replace(after, lives=before.lives))
        leaks = arm_verdict(recording, replace(after, lives=before.lives), error=0.01)
    assert found.verdict == leaks.verdict == INCONCLUSIVE
    assert found.reason.startswith(
        "its memory limit killed 1 process of it under load, and no growth was seen"
    )
    with judged_by(Script({"native_bytes": LEAK})):
        assert arm_verdict(recording, replace(after, lives=before.lives)).verdict == LEAK


@pytest.mark.parametrize(
    ("signal", "verdict", "of_arm"),
    [
        ("cgroup_kernel_bytes", LEAK, INCONCLUSIVE),
        ("cgroup_kernel_bytes", INCONCLUSIVE, NO_LEAK),
        ("charged_bytes", LEAK, NO_LEAK),  # as by free memory of an allocator, or mapped files
    ],
)
def test_kernel_memory_that_grows_beside_the_processes_is_not_passed(
    build_run: Build, signal: str, verdict: Verdict, of_arm: Verdict
) -> None:
    """It is in no reading of a process, and its limit ends the arm all the same."""
    found, _ = judged(build_run(), {signal: verdict})
    assert found.verdict == of_arm
    if of_arm == INCONCLUSIVE:
        assert found.reason.startswith(
            "kernel memory of its control group grows (as scripted), which no process has: "
        )


def test_memory_that_was_read_whole_for_a_part_of_the_load_clears_nothing(build_run: Build) -> None:
    """RSS is there throughout, and lacks what is on tmpfs and what is swapped out."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    rows = pd.read_csv(path)
    rows.assign(anon_bytes=rows["anon_bytes"].mask(rows["t_s"] > 180)).to_csv(path, index=False)
    found, _ = judged(run_dir, {})
    assert found.verdict == INCONCLUSIVE
    assert re.match(
        r"its own memory was read at \d+ of \d+ ticks, with gaps, and rss lacks files on tmpfs", found.reason
    )
    with judged_by(Script({"rss_bytes": LEAK})):
        assert arm_verdict(read_recording(run_dir), read_recording(run_dir).arms[1]).verdict == LEAK
