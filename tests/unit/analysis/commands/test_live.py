"""Judging a run that goes on, with a scripted clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from analysis.commands.live import LOOK_PAUSE_S, follow, live, look_error, pause_s
from analysis.judge.types import INCONCLUSIVE, LEAK, Judgement, Margin, SignalSeries
from analysis.recording.read import read_recording
from analysis.verdict.decision import FAMILY_ERROR
from soak.contract import ArmLive, GateLimit, Live
from tests.support.planted_control import PlantedControl, write_control
from tests.support.planted_heap import FOUR_LEAKS, write_heap
from tests.support.planted_incident import Planted, write_incident
from tests.support.planted_judge import planted_judge
from tests.support.planted_processes import PlantedProcess, write_processes
from tests.unit.analysis.conftest import JudgeBy

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


class Looks:
    """A clock that a sleep moves, and a parent that dies after some sleeps."""

    def __init__(self, sleeps: int) -> None:
        self.now_s = 0.0
        self.left = sleeps
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.left -= 1

    def parent(self) -> int:
        return 7 if self.left >= 0 else 1


def test_the_verdict_so_far_is_written_for_every_arm(build_run: Build) -> None:
    """In the middle of a load, whose cutting short is nobody's fault yet."""
    run_dir = build_run(status="running", end_s=150.0)
    looks = Looks(0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    live = Live.from_json((run_dir / "live.json").read_text())
    leaky, fixed = live.arms["leaky"], live.arms["fixed"]
    assert live.updated_t_s == pytest.approx(149.0, abs=1.5)
    assert (leaky.verdict, leaky.certain_fail) == ("leak", False)
    assert (fixed.verdict, fixed.certain_fail) == ("no_leak", False)
    assert leaky.rate_per_request == pytest.approx(30_000, rel=0.2)
    assert leaky.oom_low_s is not None
    assert fixed.signals["held_bytes"] == "no_leak"
    assert [path.name for path in run_dir.iterdir() if "partial" in path.name] == []


def test_a_load_that_has_ended_is_judged_once_more_and_left(build_run: Build) -> None:
    """The follower ends by itself, without a sleep."""
    looks = Looks(5)
    run_dir = build_run(status="running")
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    assert looks.slept == []
    assert (run_dir / "live.json").exists()


def test_a_follower_ends_with_the_run_that_started_it(build_run: Build) -> None:
    """Before the load there is nothing to judge; it looks again every few seconds until its parent is gone."""
    looks = Looks(3)
    run_dir = build_run(status="running", end_s=15.0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    assert looks.slept == [LOOK_PAUSE_S] * 4
    assert not (run_dir / "live.json").exists()


@pytest.mark.parametrize(("every_s", "is_judged"), [(9.0, True), (12.0, False)])
def test_no_look_is_spent_before_there_are_readings_to_decide(
    build_run: Build, every_s: float, is_judged: bool
) -> None:
    """Twelve rows that are 9 s apart are there after two minutes of load; of rows each 12 s there are fewer."""
    run_dir = build_run(status="running", end_s=150.0)
    manifest = run_dir / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"every_s": 1.0', f'"every_s": {every_s}'))
    looks = Looks(0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    assert (run_dir / "live.json").exists() == is_judged


def test_a_slow_look_is_followed_by_a_longer_rest(build_run: Build, judge_by: JudgeBy) -> None:
    """While the load is short, so that judging never takes more than a fifth of one core from what it watches."""
    looks = Looks(0)

    def slow(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
        looks.now_s += 3.0
        return planted_judge(readings, margin)

    run_dir = build_run(status="running", end_s=150.0)
    judge_by(slow)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    assert looks.slept == [4 * 3.0 * 14]


def test_looks_take_two_hundredths_of_a_core_from_the_first_minutes_on() -> None:
    """While the load is short a leak is looked for more often: the pause is a tenth of it."""
    assert [round(pause_s(0.4, loaded_s), 1) for loaded_s in (0.0, 30.0, 100.0, 150.0, 3600.0, 259_200.0)] == [
        5.0, 5.0, 10.0, 15.0, 19.6, 19.6,
    ]  # fmt: skip
    assert pause_s(0.001, 259_200.0) == LOOK_PAUSE_S
    assert pause_s(3.0, 60.0) == 12.0


def test_all_looks_together_spend_the_error_once() -> None:
    """However many there are."""
    assert sum(look_error(look) for look in range(1, 10_000)) == pytest.approx(FAMILY_ERROR, rel=1e-3)
    assert look_error(1) == FAMILY_ERROR / 2


def test_a_highest_memory_beyond_its_gate_is_certain_to_fail(build_run: Build) -> None:
    """It can only rise; one below its gate is not certain of anything."""
    for limit, certain in ((78e6, True), (80e6, False)):
        gates = (GateLimit("max_rss", "<=", limit, of_before=False, text=f"<= {limit / 1e6:.0f} MB"),)
        run_dir = build_run(status="running", end_s=150.0, gates=gates)
        looks = Looks(0)
        follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
        fixed = Live.from_json((run_dir / "live.json").read_text()).arms["fixed"]
        assert fixed.certain_fail is certain
        if certain:
            assert fixed.reason == "its memory reached 75.1 MiB, and the gate max_rss is <= 74.4 MiB"
        run_dir.rename(run_dir.with_name(f"planted-{limit}"))


def looked_at(tmp_path: Path, ends_s: tuple[float, ...], **changes: object) -> list[tuple[ArmLive, ArmLive]]:
    """Return what each look says of the two arms: the recording grows before it, up to these moments."""
    run_dir, looks, found = tmp_path / "planted", Looks(len(ends_s) - 1), []

    def grow(end_s: float) -> None:
        whole = write_incident(tmp_path / f"until {end_s}", Planted(status="running", end_s=end_s))
        copytree(whole, run_dir, dirs_exist_ok=True)
        manifest = run_dir / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    def sleep(seconds: float) -> None:
        found.append(Live.from_json((run_dir / "live.json").read_text()).arms)
        looks.sleep(seconds)
        if looks.left >= 0:
            grow(ends_s[len(found)])

    grow(ends_s[0])
    follow(run_dir, clock=looks.clock, sleep=sleep, parent=looks.parent)
    return [(arms["leaky"], arms["fixed"]) for arms in found]


@pytest.mark.parametrize(
    ("ends_s", "planned_s", "certain"),
    [
        ((80.0, 150.0), 180, [False, True]),
        ((80.0, 150.0), 1280, [False, True]),
        ((80.0, 150.0), 1300, [False, False]),
        ((60.0, 130.0), 180, [False, False]),
        ((100.0, 150.0), 180, [False, False]),
        ((60.0, 80.0, 100.0, 130.0, 150.0), 180, [False, False, False, False, True]),
    ],
)
def test_a_leak_is_certain_once_all_looks_of_half_the_load_have_called_it(
    tmp_path: Path, ends_s: tuple[float, ...], planned_s: int, certain: list[bool]
) -> None:
    """And a tenth of the planned load is over, two minutes at least; what is said of the leak is the same before.

    The load begins at 21 s.
    """
    found = looked_at(tmp_path, ends_s, planned_load_s=planned_s)
    assert [leaky.certain_fail for leaky, _ in found] == certain
    assert {leaky.verdict for leaky, _ in found} == {"leak"}
    assert all(leaky.rate_per_request and leaky.oom_low_s for leaky, _ in found)
    assert not any(fixed.certain_fail for _, fixed in found)


def test_a_leak_that_a_look_did_not_call_is_certain_no_sooner_than_a_new_one(
    tmp_path: Path, judge_by: JudgeBy
) -> None:
    """The straight beginning of a long warm-up is called, its bend is not; a later call stands on its own."""

    def judge(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
        found, loaded_s = planted_judge(readings, margin), float(np.ptp(readings.t_s))
        return replace(found, verdict=INCONCLUSIVE if 70 < loaded_s < 90 else LEAK)

    judge_by(judge)
    found = looked_at(tmp_path, (60.0, 100.0, 130.0, 150.0, 190.0))
    assert [(leaky.verdict, leaky.certain_fail) for leaky, _ in found] == [
        (LEAK, False),
        (INCONCLUSIVE, False),
        *[(LEAK, False)] * 3,
    ]


def test_the_container_that_grows_most_is_named_while_the_run_goes_on(build_run: Build) -> None:
    """With its rate; of the arm in which nothing grows, nothing."""
    run_dir = build_run(status="running", end_s=150.0)
    write_heap(run_dir / "leaky", FOUR_LEAKS, end_s=150.0)
    write_heap(run_dir / "fixed", (), end_s=150.0)
    looks = Looks(0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    arms = Live.from_json((run_dir / "live.json").read_text()).arms
    assert arms["leaky"].suspect == "…gateway.request_history: +1.00 items/request"
    assert arms["fixed"].suspect == ""


def undecided(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
    """Judge that a minute more of the load would decide."""
    return Judgement(readings.signal, INCONCLUSIVE, "not yet", more_s=60.0)


@pytest.mark.parametrize(
    ("end_s", "changes", "reason"),
    [
        (100.0, {}, "not yet; the load ends in 2 min"),
        (150.0, {}, "not yet; the load ends in 52 s, before that"),
        (150.0, {"planned_load_s": 0}, "not yet"),
        (
            100.0,
            {"config": {"sampling": {"quiesce_every_s": 600}}},
            "not yet; judged at quiesce points once there are 6, in about 60 min; the load ends in 2 min",
        ),
        (100.0, {"config": {"sampling": {"quiesce_every_s": None}}}, "not yet; the load ends in 2 min"),
        (100.0, {"config": {"sampling": "damaged"}}, "not yet; the load ends in 2 min"),
    ],
)
def test_an_undecided_verdict_has_what_it_waits_for(
    build_run: Build, judge_by: JudgeBy, end_s: float, changes: dict[str, object], reason: str
) -> None:
    """How long the load goes on, whether that is too short, and when there are enough quiesce points."""
    run_dir = build_run(status="running", end_s=end_s)
    manifest = run_dir / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
    judge_by(undecided)
    looks = Looks(0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    assert Live.from_json((run_dir / "live.json").read_text()).arms["fixed"].reason == reason


def test_enough_quiesce_points_are_not_waited_for(build_run: Build, judge_by: JudgeBy) -> None:
    """Points of the load count, those of the warm-up do not."""
    judge_by(undecided)
    recording = read_recording(build_run(status="running", end_s=150.0))
    config = {"sampling": {"quiesce_every_s": 20}}
    recording = replace(recording, manifest=recording.manifest.model_copy(update={"config": config}))

    def reason(points_s: list[float]) -> str:
        arms = tuple(
            replace(arm, points=arm.samples[arm.samples["t_s"].round().isin(points_s)])
            for arm in recording.arms
        )
        return live(replace(recording, arms=arms), 1).arms["fixed"].reason

    ending = "the load ends in 52 s, before that"
    assert reason([10, 15, 30, 50, 70, 90, 110]) == (
        f"not yet; judged at quiesce points once there are 6, in about 20 s; {ending}"
    )
    assert reason([30, 50, 70, 90, 110, 130]) == f"not yet; {ending}"


def test_the_processes_of_an_arm_have_their_growth_so_far(build_run: Build) -> None:
    """The one that leaks first; an arm of one process has none, and one that has just come has no rate yet."""
    run_dir = build_run(status="running", end_s=150.0, incident=False, kill_hour=None)
    steady = PlantedProcess(noise_bytes=0.0)
    leak, young = replace(steady, rss_bytes=1000.0), replace(steady, from_s=149.0)
    write_processes(run_dir, "leaky", (steady, steady, leak, young), end_s=150.0)
    looks = Looks(0)
    follow(run_dir, clock=looks.clock, sleep=looks.sleep, parent=looks.parent)
    arms = Live.from_json((run_dir / "live.json").read_text()).arms
    assert [(one.life, one.growth) for one in arms["leaky"].processes] == [
        (3, "grows"),
        (1, "does not grow"),
        (2, "does not grow"),
    ]
    assert arms["leaky"].processes[0].rate_per_request == pytest.approx(1000, rel=0.01)
    assert arms["fixed"].processes == ()


def test_the_leak_of_the_copy_is_told_as_injected(tmp_path: Path) -> None:
    """The copy has a verdict so far as the builds have, and its reason begins with what it is."""
    recording = read_recording(write_control(tmp_path / "run", PlantedControl()), whole=False)
    arms = live(recording, 1).arms
    assert list(arms) == ["app", "app.leak"]
    assert arms["app.leak"].verdict == "leak"
    assert arms["app.leak"].reason.startswith("control, with an injected leak: ")
