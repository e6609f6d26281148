"""The supervisor of a run, by scripted processes and a scripted clock: whatever happens, everything is stopped."""

from __future__ import annotations

import csv
import errno
import json
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from soak.contract import LIVE, LOAD_BEGAN, LOAD_ENDED, PHASES
from soak.errors import HarnessError, UsageError
from soak.sampling.sampler import Sampler
from soak.supervisor import arm
from soak.supervisor.phases import led_by_ui
from tests.unit.soak.supervisor.conftest import MakeRun, ScriptedRun


def test_a_run_goes_through_its_phases_and_stops_the_load_before_the_arms(make_run: MakeRun) -> None:
    """The recording ends with the targets: what is read last is not our own shutdown."""
    run = make_run()
    run.go()
    assert run.phases() == list(PHASES)
    assert run.machine.stopped == ["judge", "locust", "old", "new", "stubs"]
    assert run.machine.child("locust").lines == ["start 7"]
    assert (run.manifest["status"], run.manifest["status_detail"]) == ("complete", "")
    assert run.events("run_end", "interrupted") == [("run_end", "", "complete")]


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0, 1.0e9])
def test_a_step_of_the_wall_clock_moves_nothing(make_run: MakeRun, step_s: float) -> None:
    """Set forward or back by a day, or by decades as where a machine without a battery meets NTP."""
    run = make_run()
    run.machine.at(30.0, lambda: setattr(run.machine, "wall_step_s", step_s))
    run.machine.at(35.0, lambda: run.machine.child("new").end(-9))
    run.go()
    with (run.directory / "events.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["event"] in ("phase", "restart")]
    at_s = {row["detail"] or row["event"]: float(row["t_s"]) for row in rows}
    planned_s = {"warm-up": 7, "load": 17, "restart": 38, "drain": 77, "quiesce": 81}
    assert {name: pytest.approx(t_s, abs=0.3) for name, t_s in planned_s.items()} == {
        name: at_s[name] for name in planned_s
    }


def test_an_arm_that_dies_is_restarted_after_its_delay(make_run: MakeRun) -> None:
    """Its OOM kill is counted, and the run goes on to its end."""
    run = make_run()

    def kill() -> None:
        run.machine.child("new").end(-9)

    run.machine.at(30.0, kill)
    run.go()
    first, second = (child for child in run.machine.children if child.spec.name == "new")
    assert (first.code, second.code) == (-9, -15)
    assert [event for event, arm, _ in run.events("start", "ready", "exit", "restart") if arm == "new"] == [
        "start", "ready", "exit", "restart", "start", "ready", "exit",
    ]  # fmt: skip
    assert run.manifest["status"] == "complete"


def test_a_stranger_on_the_port_of_a_dead_arm_is_not_soaked(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer at once, and its memory would be nobody's: the arm stays dead, and the other goes on."""
    run = make_run()

    def check_port(name: str, _url: str) -> None:
        if run.machine.now_s > 30:
            raise UsageError(f"{name}: port 80 ... pid 7 (nginx) listens there now")

    monkeypatch.setattr(arm, "check_port", check_port)
    run.machine.at(30.0, lambda: run.machine.child("new").end(1))
    run.go()
    assert run.events("not_restarted") == [
        ("not_restarted", "new", "new: port 80 ... pid 7 (nginx) listens there now")
    ]
    assert run.events("restart") == []
    assert run.manifest["status"] == "complete"


def test_a_run_without_arms_ends_early(make_run: MakeRun) -> None:
    """Each arm is restarted as often as allowed; when none is left, there is nothing to load."""
    run = make_run("limit.max_restarts=1")
    for t_s in (20.0, 30.0):
        for name in ("old", "new"):
            run.machine.at(t_s, lambda name=name: run.machine.child(name).end(1))  # type: ignore[misc]
    run.go()
    detail = "it ended after 1 restarts, the most that are allowed"
    assert run.events("not_restarted") == [("not_restarted", "old", detail), ("not_restarted", "new", detail)]
    assert run.manifest["status"] == "interrupted"
    assert run.manifest["status_detail"] == f"no arm is left: old: {detail}"


def test_one_arm_that_stays_dead_ends_nothing(make_run: MakeRun) -> None:
    """The other is still compared with what was recorded of it."""
    run = make_run("limit.max_restarts=0")
    run.machine.at(20.0, lambda: run.machine.child("old").end(1))
    run.go()
    assert run.manifest["status"] == "complete"


@pytest.mark.parametrize(
    ("code", "ready_after_s", "sentence"),
    [
        (1, 9.0, "ended before it was ready"),
        (None, 99.0, "did not answer with a status below 400 within 30 s"),
    ],
)
def test_an_arm_that_does_not_start_is_the_profiles_fault(
    make_run: MakeRun, code: int | None, ready_after_s: float, sentence: str
) -> None:
    """The sentence names the key to fix and ends with the last lines of the arm's log."""
    run = make_run()
    run.machine.ready_after_s["new"] = ready_after_s
    if code is not None:
        run.machine.at(2.0, lambda: run.machine.child("new").end(code))
    run.machine.on_spawn = lambda child: child.print(f"{child.spec.name}: no such option")
    with pytest.raises(UsageError, match=sentence) as raised:
        run.go()
    assert "Fix arms.new.command or .ready" in str(raised.value)
    assert "new: no such option" in str(raised.value)
    assert run.manifest["status"] == "failed"


def certain(run: ScriptedRun, reason: str, name: str = "new") -> None:
    """Write the verdict so far: the arm, by default the candidate, fails whatever comes."""
    arm = {"verdict": "leak", "reason": reason, "certain_fail": True}
    text = json.dumps({"schema_version": 2, "updated_t_s": 1.0, "arms": {name: arm}})
    (run.directory / LIVE).write_text(text)


def test_a_certain_failure_ends_the_load_and_not_the_run(make_run: MakeRun) -> None:
    """Where the profile asks for it; drain and quiesce keep their lengths."""
    run = make_run("judge.stop_on_fail=true")
    run.machine.at(30.0, lambda: certain(run, "its blocks grow"))
    run.go()
    detail = "a gate of new is certain to fail: its blocks grow"
    assert run.events("stopped_early") == [("stopped_early", "", detail)]
    assert run.machine.child("locust").input_closed
    assert run.phases() == list(PHASES)
    assert run.machine.now_s < 45
    assert run.manifest["status"] == "complete"


def test_a_certain_failure_stops_nothing_unasked(make_run: MakeRun) -> None:
    """The plan's load is run to its end."""
    run = make_run()
    run.machine.at(30.0, lambda: certain(run, "its blocks grow"))
    run.go()
    assert run.events("stopped_early") == []
    assert run.machine.now_s > 80


def test_the_leak_of_the_copy_ends_nothing(make_run: MakeRun) -> None:
    """It is there to be found."""
    run = make_run("judge.stop_on_fail=true", "judge.control=inject")
    run.machine.at(30.0, lambda: certain(run, "it grows", "new.leak"))
    run.go()
    assert run.events("stopped_early") == []
    assert run.manifest["status"] == "complete"
    assert run.manifest["injected_bytes"] == {"new.leak": {"python": 0, "native": 0}}


def test_a_copy_that_dies_ends_nothing_and_one_alone_does_not_go_on(make_run: MakeRun) -> None:
    """The builds decide whether there is something left to load."""
    run = make_run("limit.max_restarts=0", "judge.control=inject")
    run.machine.at(20.0, lambda: run.machine.child("new.leak").end(1))
    run.machine.at(40.0, lambda: run.machine.child("old").end(1))
    run.machine.at(50.0, lambda: run.machine.child("new").end(1))
    run.go()
    assert [arm for _, arm, _ in run.events("not_restarted")] == ["new.leak", "old", "new"]
    assert run.manifest["status_detail"].startswith("no arm is left: old: ")
    assert 50 <= run.machine.now_s < 55


def test_a_copy_that_does_not_start_is_an_error_with_its_fix(make_run: MakeRun) -> None:
    """It fails at once, not after hours of load: the sentence names what the copy shares and the ways out."""
    run = make_run("judge.control=inject")
    run.machine.on_spawn = lambda child: child.end(1) if child.spec.name == "new.leak" else None
    with pytest.raises(UsageError) as raised:
        run.go()
    assert "new.leak: it ended before it was ready" in str(raised.value)
    assert "the same files and database" in str(raised.value)
    assert "set judge.control to an arm with a known leak" in str(raised.value)


def test_a_copy_without_a_probe_is_told_at_once(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after hours of load: the sign-off is bound to be refused."""
    lines: list[str] = []
    run = make_run("judge.control=inject")
    monkeypatch.setattr(run.session.progress, "print_line", lines.append)
    run.go()
    assert [line.partition(";")[0] for line in lines if "probe" in line] == [
        "new.leak has no probe: no leak can be injected, and sign-off will be refused"
    ]


def test_a_verdict_from_before_the_load_counts_for_nothing(make_run: MakeRun) -> None:
    """It is of an earlier load of the same run."""
    run = make_run("judge.stop_on_fail=true")
    run.machine.at(10.0, lambda: certain(run, "it grew"))
    run.go()
    assert run.events("stopped_early") == []


@pytest.mark.parametrize(("code", "stays"), [(1, False), (0, True)])
def test_a_judge_that_dies_is_an_event(code: int, make_run: MakeRun, *, stays: bool) -> None:
    """The run does not depend on it, and its last verdict is not shown as that of now; at its end it stays."""
    run = make_run()
    live = run.directory / LIVE
    run.machine.at(20.0, live.touch)
    run.machine.at(30.0, lambda: run.machine.child("judge").end(code))
    run.go()
    assert ("exit", "judge", f"exit code {code}") in run.events("exit")
    assert run.manifest["status"] == "complete"
    assert live.exists() is stays


def test_censuses_that_end_are_a_gap_of_each_arm(make_run: MakeRun) -> None:
    """The sampling goes on without them."""
    run = make_run("sampling.census_every_s=100")
    run.machine.at(30.0, lambda: run.machine.child("census").end(7))
    run.go()
    gaps = [(arm, detail.partition(";")[0]) for _, arm, detail in run.events("gap")]
    why = "census from outside: its process ended (exit code 7)"
    assert [gap for gap in gaps if "ended" in gap[1]] == [("old", why), ("new", why)]
    assert run.manifest["missed_readings"]["old"]["census from outside"] >= 1
    assert run.machine.stopped[:2] == ["census", "judge"]


def test_stubs_that_end_fail_the_run(make_run: MakeRun) -> None:
    """What the arms answer from then on is about nothing."""
    run = make_run()
    run.machine.at(30.0, lambda: run.machine.child("stubs").end(1))
    with pytest.raises(HarnessError, match=r"stubs ended \(exit code 1\)"):
        run.go()
    assert run.manifest["status"] == "failed"


@pytest.mark.parametrize(
    ("t_s", "phase"),
    [(0.2, "start"), (3.0, "idle"), (10.0, "warm-up"), (40.0, "load"), (77.0, "drain"), (82.0, "quiesce")],
)
def test_an_interrupted_run_is_recorded_to_its_end(make_run: MakeRun, t_s: float, phase: str) -> None:
    """In whatever phase: everything is stopped, in the usual order, and the manifest names signal and phase."""
    run = make_run()
    run.machine.at(t_s, lambda: run.stop_request.note("SIGINT"))
    run.go()
    detail = f"SIGINT in phase {phase}"
    assert (run.manifest["status"], run.manifest["status_detail"]) == ("interrupted", detail)
    assert run.events("interrupted", "run_end") == [
        ("interrupted", "", detail), ("run_end", "", "interrupted")
    ]  # fmt: skip
    order = ["judge", "locust", "old", "new", "stubs"]
    assert run.machine.stopped == [name for name in order if name in run.machine.stopped]


@pytest.mark.parametrize(
    ("t_s", "is_named"),
    [(3.0, False), (10.0, True), (40.0, True), (77.0, True), (82.0, False), (99.0, False)],
)
def test_an_interrupted_load_has_its_holders_named(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, t_s: float, is_named: bool
) -> None:
    """It never comes to the drain, after which they are named else; the load is stopped before, the arms are not."""
    run = make_run()
    rungs: list[tuple[str, str]] = []

    def name_holders(sampler: Sampler, rung: str, _timeout_s: float) -> None:
        assert "locust" in run.machine.stopped
        assert sampler.arm not in run.machine.stopped
        rungs.append((sampler.arm, rung))

    monkeypatch.setattr(Sampler, "name_holders", name_holders)
    run.machine.at(t_s, lambda: run.stop_request.note("SIGINT"))
    run.go()
    assert rungs == ([("old", ""), ("new", "")] if is_named else [])


def test_a_second_signal_waits_for_nothing(make_run: MakeRun) -> None:
    """It comes while everything is being stopped: what still runs is killed at once; the first one is the reason."""
    run = make_run("arms.old.stop_timeout_s=60")
    run.machine.stubborn = lambda name: name == "old"
    run.machine.at(40.0, lambda: run.stop_request.note("SIGINT"))
    run.machine.at(45.0, lambda: run.stop_request.note("SIGTERM"))
    run.go()
    assert run.manifest["status_detail"] == "SIGINT in phase load"
    assert run.machine.child("old").killed_s == pytest.approx(45.0, abs=0.2)
    assert run.machine.now_s < 46


def test_a_defect_of_ours_fails_the_run_and_stops_everything(make_run: MakeRun) -> None:
    """The manifest names the error, which goes on to whoever started the run."""

    def script(_: object) -> None:
        raise ZeroDivisionError("ours")

    run = make_run()
    with pytest.raises(ZeroDivisionError):
        run.go(script)
    assert run.manifest["status_detail"] == "ZeroDivisionError: ours"


FULL = HarnessError("samples.csv: cannot be written (No space left on device).")


def test_a_full_disk_under_the_samples_ends_the_run(make_run: MakeRun) -> None:
    """The sampler's own thread keeps the error; the run raises it and stops everything."""
    run = make_run()
    run.machine.at(40.0, lambda: setattr(run.session.samplers[1], "failure", FULL))
    with pytest.raises(HarnessError, match="No space left"):
        run.go()
    assert (run.manifest["status"], run.manifest["status_detail"]) == ("failed", str(FULL))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_the_start_is_stated_at_once(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Not after the minute that Locust has to get ready: its log cannot be written, so that it never does."""
    run = make_run()
    run.machine.ready_after_s["locust"] = 999.0

    def write_bytes(path: Path, _: bytes) -> None:
        if run.machine.now_s > 1.0:
            raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(HarnessError, match=rf"the run cannot start \({os.strerror(number)}\)"):
        run.go()
    assert run.machine.now_s < 3


def test_a_full_disk_under_the_events_leaves_nothing_running(make_run: MakeRun) -> None:
    """Each step of the shutdown is taken, even though none of them can be recorded."""
    run = make_run()
    run.fill_disk(FULL, from_s=16.0)  # the phase load cannot be recorded
    with pytest.raises(HarnessError, match="No space left"):
        run.go()
    assert run.machine.running() == []
    assert run.manifest["status"] == "failed"


def test_a_manifest_that_cannot_be_written_leaves_nothing_running(make_run: MakeRun) -> None:
    """It goes on stating that the run is running, which the report calls a recording that never ended."""
    run = make_run()
    partial = f".manifest.json.{os.getpid()}-{threading.get_ident()}.partial"
    run.machine.at(40.0, (run.directory / partial).mkdir)
    with pytest.raises(HarnessError, match=r"manifest\.json: cannot be written"):
        run.go()
    assert run.machine.running() == []
    assert run.manifest["status"] == "running"


def test_while_a_report_is_made_the_manifest_states_that_the_run_goes_on(make_run: MakeRun) -> None:
    """A kill in between leaves the truth; the report itself is told that the load has ended."""
    run = make_run()
    seen: list[tuple[str, Any]] = []

    def spawned(child: Any) -> None:
        if child.spec.name == "report":
            seen.append((run.manifest["status"], child.spec.argv[1:6]))
            child.end(0)

    run.machine.on_spawn = spawned
    run.machine.at(10.0, lambda: run.machine.child("locust").print(f"{LOAD_BEGAN} 12 20"))
    run.machine.at(40.0, lambda: run.machine.child("locust").print(f"{LOAD_ENDED} 40"))
    run.machine.at(60.0, lambda: run.stop_request.note("SIGINT"))
    run.go(led_by_ui)
    assert seen == [("running", ("-P", "-m", "analysis", "report", "--load-ended"))]
    assert run.manifest["status"] == "complete"


def test_nothing_is_judged_from_the_warm_up_of_a_second_load_on(make_run: MakeRun) -> None:
    """The verdict on the first is withdrawn, and its judge, which may rest between two looks, gives no other."""
    run = make_run()
    live, judges, seen = run.directory / LIVE, list[int](), list[tuple[bool, bool]]()

    def spawned(child: Any) -> None:
        if child.spec.name == "judge":
            judges.append(round(run.machine.now_s))
        if child.spec.name == "report":
            child.end(0)

    def look() -> None:
        seen.append((live.exists(), "judge" in run.machine.running()))

    def say(line: str) -> None:
        run.machine.child("locust").print(line)

    run.machine.on_spawn = spawned
    for t_s, line in ((10, "BEGAN 12 20"), (40, "ENDED 40"), (60, "BEGAN 62 72"), (90, "ENDED 90")):
        run.machine.at(t_s, partial(say, line.replace("BEGAN", LOAD_BEGAN).replace("ENDED", LOAD_ENDED)))
    run.machine.at(30, live.touch)
    for t_s in (59, 65):
        run.machine.at(t_s, look)
    run.machine.at(120, lambda: run.stop_request.note("SIGINT"))
    run.go(led_by_ui)
    assert (seen, judges) == ([(True, True), (False, False)], [20, 72])
