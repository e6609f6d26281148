"""Which arms of a run are replayed, and what is recorded of it, on a scripted machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from soak.config.load import load_profile
from soak.contract import SUMS, ArmLive, ArmReplay, Live
from soak.contract.hashes import UNLISTED, check
from soak.errors import HarnessError
from soak.plan.run_plan import plan_run
from soak.regular_files import write_text
from soak.replay.arms import explained_share, is_eligible, outcome, replay_arm, replay_arms, replay_run
from soak.replay.one_pass import PassResult
from soak.replay.verdicts import Judged
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import Ended
from soak.supervisor.session import Session
from tests.support.scripted_machine import NoGuard, ScriptedChild, ScriptedMachine

PROFILE = """
stubs = {}
[arms.old]
command = ["old", "{port}"]
role = "before"
[arms.new]
command = ["new", "{port}"]
role = "after"
"""


class Scripted:
    """A run that has ended, its machine, and the verdicts that its judge will reach."""

    def __init__(self, place: Path, settings: tuple[str, ...], verdicts: dict[str, str]) -> None:
        self.machine = ScriptedMachine()
        self.stop_request = StopRequest(lambda: self.machine.now_s)
        (place / "mine.toml").write_text(PROFILE)
        run, private = place / "run", place / "private"
        for directory in (run, run / "old", run / "new", private):
            directory.mkdir()
        plan = plan_run(load_profile(str(place / "mine.toml"), settings), run, private)
        session = Session(
            run,
            {"run_id": "run", "arms": [{"name": "old"}, {"name": "new"}]},
            NoGuard(),
            Progress(Console(quiet=True)),
            self.machine.clock,
            self.machine.machine,
            self.stop_request,
        )
        session.save_manifest("complete")
        self.ended = Ended(plan, session, self.machine.mechanism, private)
        self.verdicts = verdicts
        self.native: set[str] = set()
        """Arms of which native code leaks."""
        self.machine.on_spawn = self.on_spawn

    def on_spawn(self, child: ScriptedChild) -> None:
        if child.spec.name == "judge":
            found = {
                arm: {"verdict": verdict, "native": arm in self.native}
                for arm, verdict in self.verdicts.items()
            }
            Path(child.spec.argv[-1]).write_text(json.dumps(found))
            child.end(0)

    def go(self) -> dict[str, dict[str, object]]:
        """Replay, and return what the manifest has of it."""
        replay_run(self.ended)
        self.ended.session.close()
        assert self.machine.running() == []
        manifest = self.ended.plan.run_directory / "manifest.json"
        found: dict[str, dict[str, object]] = json.loads(manifest.read_text()).get("replay", {})
        return found

    @property
    def started(self) -> list[str]:
        return [child.spec.name for child in self.machine.children]


Make = Callable[..., Scripted]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A function that makes an ended run."""

    def made(*settings: str, **verdicts: str) -> Scripted:
        return Scripted(tmp_path, settings, verdicts)

    return made


def test_arms_that_do_not_leak_are_not_started_again(make: Make) -> None:
    """The verdict is all that is added."""
    run = make(old="no_leak", new="inconclusive")
    assert run.go() == {}
    assert run.started == ["judge"]


def test_code_that_was_changed_during_the_run_is_not_replayed(make: Make) -> None:
    """Its lines would be others; the other arm is replayed."""
    run = make(old="leak", new="leak")
    arms = [{"name": "old", "build": "a" * 40}, {"name": "new", "files": {}}]
    run.ended.session.manifest = {"run_id": "run", "arms": arms}
    found = run.go()
    assert found["old"]["status"] == "refused"
    assert (
        found["old"]["reason"]
        == f"it would not run as it did: it was built from {'a' * 40}, and now from no revision"
    )
    assert "old" not in run.started
    assert "new" in run.started


@pytest.mark.parametrize(("verdict", "judges"), [("no_leak", []), ("inconclusive", ["judge"])])
def test_a_run_that_was_cleared_under_load_is_not_judged_twice(
    make: Make, verdict: str, judges: list[str]
) -> None:
    """So a run without a leak ends no later than before."""
    run = make(old="no_leak", new="no_leak")
    live = Live(1.0, {"old": ArmLive("no_leak", ""), "new": ArmLive(verdict, "")})
    (run.ended.plan.run_directory / "live.json").write_text(live.to_json())
    assert run.go() == {}
    assert run.started == judges


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "the recording could not be judged: exit code 1"),
        (None, "the recording was not judged within 120 s"),
    ],
    ids=["fails", "late"],
)
def test_a_judge_that_fails_or_is_late_is_the_reason_for_no_replay(
    make: Make, monkeypatch: pytest.MonkeyPatch, code: int | None, reason: str
) -> None:
    """It is printed, and recorded of each arm that could have been replayed."""
    run = make(old="leak")
    if code is None:
        run.machine.on_spawn = lambda _child: None
    else:
        run.machine.on_spawn = lambda child: child.end(code)
    _refuses_all(run, monkeypatch, reason)
    assert run.started == ["judge"]


def test_hashes_that_cannot_be_written_are_the_reason_for_no_replay(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is not judged."""

    def refuse(_directory: Path, _written: object) -> None:
        raise HarnessError("SHA256SUMS: no space left.")

    run = make(old="leak")
    monkeypatch.setattr("soak.replay.verdicts.record_sums", refuse)
    _refuses_all(run, monkeypatch, "SHA256SUMS: no space left")
    assert run.started == []


def _refuses_all(run: Scripted, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    printed: list[str] = []
    monkeypatch.setattr(run.ended.session.progress, "print_line", printed.append)
    found = run.go()
    assert {(one["status"], one["reason"]) for one in found.values()} == {("refused", reason)}
    assert list(found) == ["old", "new"]
    assert printed == [f"replay: {reason}"]


def test_the_logs_of_a_replay_are_kept_small_among_those_of_the_run(make: Make) -> None:
    """Of the arm, the stubs and the load."""
    run = make(old="leak")
    run.go()
    of_replay = [child for child in run.machine.children if child.spec.name != "judge"]
    names = [f"replay-old-python{name}.log" for name in ("-stubs", "", "-load")]
    assert [child.log for child in of_replay] == [
        run.ended.plan.run_directory / "logs" / name for name in names
    ]
    assert all(child.is_log_capped for child in of_replay)


def test_without_seconds_nothing_is_started_and_the_reason_is_recorded(make: Make) -> None:
    """For each arm that could have been replayed."""
    run = make("replay.seconds=0", old="leak", new="leak")
    found = run.go()
    assert run.started == []
    assert {name: one["reason"] for name, one in found.items()} == dict.fromkeys(
        ("old", "new"), "replay.seconds is 0"
    )


def test_an_arm_that_leaks_and_has_no_probe_is_refused_after_its_start(make: Make) -> None:
    """With the reason; one arm after the other, each with its stubs and its load, and all of them end."""
    run = make(old="leak", new="leak")
    found = run.go()
    of_an_arm = ["stubs", "old", "locust"]
    assert run.started == ["judge", *of_an_arm, "stubs", "new", "locust"]
    for one in found.values():
        assert one["status"] == "refused"
        assert str(one["reason"]).startswith(
            "no probe: none of its processes loaded the probe, after 0 points"
        )


@pytest.mark.parametrize(
    ("settings", "native", "lives"),
    [
        ((), False, 1),
        ((), True, 2),
        (("replay.native=off",), True, 1),
        (("replay.native=on",), False, 2),
    ],
)
def test_native_code_that_leaks_has_a_second_pass(
    make: Make, settings: tuple[str, ...], native: bool, lives: int
) -> None:
    """One arm lives once for each, within the seconds of both; the second one asks the probe for a capture."""
    run = make("replay.seconds=20", *settings, old="leak")
    run.native = {"old"} if native else set()
    run.machine.ready_after_s = {"old": 1e9}
    found = run.go()
    children = [child for child in run.machine.children if child.spec.name == "old"]
    assert ["SOAK_PROBE_NATIVE" in child.spec.env for child in children] == [False, True][:lives]
    assert ["SOAK_PROBE_TRACE" in child.spec.env for child in children] == [True, False][:lives]
    kept_s = 20 / 3 if not settings and not native else 0  # for a second pass that was not needed
    assert found["old"]["seconds"] == pytest.approx(20 - kept_s, abs=0.5)


def test_the_cgroups_of_two_passes_have_names_of_their_own(make: Make) -> None:
    """That of the first may still be removed when the second begins."""
    run = make("replay.seconds=20", "replay.native=on", "limit.memory=256 MiB", old="leak")
    run.machine.ready_after_s = {"old": 1e9}
    run.go()
    names = run.machine.mechanism.names
    assert len(set(names)) == len(names) == 2


def test_less_than_half_explained_asks_for_the_native_pass(make: Make) -> None:
    """A third of the time is kept for it; a share that is not known asks for nothing."""
    run = make("replay.seconds=20", old="leak")
    run.machine.ready_after_s = {"old": 1e9}
    sites = run.ended.plan.run_directory / "old" / "sites.csv"
    sites.write_text("pass,share\npython,0.3\npython,0.15\nnative,0.9\n")
    assert explained_share(sites.parent) == pytest.approx(0.45)
    assert run.go()["old"]["seconds"] == pytest.approx(20, abs=0.5)
    assert run.started.count("old") == 2
    for text in ("pass,share\npython,\n", "pass\npython\n", "pass,share\npython\n"):
        sites.write_text(text)
        assert explained_share(sites.parent) == 1.0
    sites.unlink()
    assert explained_share(sites.parent) == 1.0


def test_an_arm_that_does_not_leak_has_the_python_pass_alone_and_all_of_the_time(make: Make) -> None:
    """Asked for by name: no leak is there that the lines could explain less than half of."""
    run = make(old="no_leak")
    run.machine.ready_after_s = {"old": 1e9}
    (run.ended.plan.run_directory / "old" / "sites.csv").write_text("pass,share\npython,0.1\n")
    found = replay_arms(
        run.ended, run.ended.plan.arms[:1], 20.0, {"old": Judged(verdict="no_leak", native=False)}
    )
    run.ended.session.close()
    assert found["old"].seconds == pytest.approx(20, abs=0.5)
    assert run.started.count("old") == 1


def test_a_second_pass_takes_no_time_of_the_next_arm(make: Make) -> None:
    """Each arm has its share of the seconds, and both passes in it."""
    run = make("replay.seconds=30", old="leak", new="leak")
    run.machine.ready_after_s = {"old": 1e9, "new": 1e9}
    for name in ("old", "new"):
        (run.ended.plan.run_directory / name / "sites.csv").write_text("pass,share\npython,0.3\n")
    found = run.go()
    assert [one["seconds"] for one in found.values()] == pytest.approx([15, 15], abs=0.5)
    assert [run.started.count(name) for name in ("old", "new")] == [2, 2]
    assert run.machine.now_s < 31


def test_an_arm_without_time_is_not_started(make: Make) -> None:
    """And that is its reason."""
    run = make(old="leak")
    found = replay_arm(run.ended, run.ended.plan.arms[0], run.machine.now_s, is_native=False)
    run.ended.session.close()
    assert (found.status, found.reason, run.started) == ("refused", "its time was over", [])


@pytest.mark.parametrize(("code", "lives"), [(-11, 2), (139, 2), (1, 1)])
def test_an_arm_that_memray_ends_gets_one_request_at_a_time(make: Make, code: int, lives: int) -> None:
    """A segmentation fault before the first point: greenlets that take turns. Any other end is the arm's own."""
    run = make("replay.native=on", old="leak")
    script, users = run.on_spawn, []

    def on_spawn(child: ScriptedChild) -> None:
        script(child)
        if child.spec.name == "old" and "SOAK_PROBE_NATIVE" in child.spec.env:
            traffic = json.loads((run.ended.private / "traffic.json").read_text())
            users.append(traffic["users_per_arm"])
            child.end(code)

    run.machine.on_spawn = on_spawn
    assert "it died" in str(run.go()["old"]["reason"])
    assert users == [run.ended.plan.traffic.users_per_arm, 1][:lives]


def test_an_arm_that_does_not_get_ready_takes_its_share_of_the_time_alone(make: Make) -> None:
    """The next arm still has its own."""
    run = make("replay.seconds=20", old="leak", new="leak")
    run.machine.ready_after_s = {"old": 1e9}
    found = run.go()
    assert found["old"]["reason"] == "it was not ready in time"
    assert found["old"]["seconds"] == pytest.approx(20 / 2 * 2 / 3, abs=0.5)
    assert "no probe" in str(found["new"]["reason"])


def test_an_arm_that_dies_at_its_start_is_refused(make: Make) -> None:
    """With its exit code."""
    run = make(old="leak")
    script = run.on_spawn

    def on_spawn(child: ScriptedChild) -> None:
        script(child)
        if child.spec.name == "old":
            child.end(3)

    run.machine.on_spawn = on_spawn
    assert run.go()["old"]["reason"] == "it died (exit code 3)"


def test_a_manifest_that_cannot_be_written_ends_the_replay_and_not_the_run(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome changes no exit code."""
    run = make(old="leak")

    def refuse(_directory: Path, _manifest: object) -> None:
        raise HarnessError("no space left")

    monkeypatch.setattr("soak.replay.arms.amend", refuse)
    assert run.go() == {}
    assert run.started[:2] == ["judge", "stubs"]


def test_a_kill_while_the_outcome_is_recorded_leaves_the_run_as_it_was_judged(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL after the manifest has the replay, and before the hashes have the manifest."""
    run = make(old="leak")
    directory = run.ended.plan.run_directory

    class Killed(BaseException):
        pass

    def write(path: Path, text: str) -> None:
        if path.name == SUMS and '"replay"' in (directory / "manifest.json").read_text():
            raise Killed
        write_text(path, text)

    monkeypatch.setattr("soak.recording.files.write_text", write)
    run.machine.ready_after_s = {"old": 5}
    run.machine.at(2.0, lambda: run.stop_request.note("SIGINT"))
    with pytest.raises(Killed):
        run.go()
    run.ended.session.close()
    assert check(directory).differences == ()
    assert [file.name for file in check(directory).files if file.problem == UNLISTED] == ["manifest.json"]


def test_ctrl_c_ends_the_replay_of_all_arms(make: Make) -> None:
    """The one that it met, and those after it."""
    run = make(old="leak", new="leak")
    run.machine.ready_after_s = {"old": 5}
    run.machine.at(2.0, lambda: run.stop_request.note("SIGINT"))
    found = run.go()
    assert found["old"]["status"] == found["new"]["status"] == "interrupted"
    assert found["old"]["reason"] == "SIGINT in the replay"
    assert "new" not in run.started
    assert run.machine.now_s < 4


def test_a_control_is_replayed_where_that_is_asked_for_and_an_injected_one_never() -> None:
    """Where its leak comes from is known."""

    def eligible(*settings: str) -> list[str]:
        profile = load_profile("demo", ["gates.min_time_to_oom=>= 1h", *settings])
        plan = plan_run(profile, Path("run"), Path("private"))
        return [arm.name for arm in plan.arms if is_eligible(plan, arm)]

    assert eligible() == ["leaky", "fixed"]
    assert eligible("replay.control=false") == ["fixed"]
    assert eligible("judge.control=inject") == ["leaky", "fixed"]


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ({"python": PassResult(12, 900, is_analysed=True)}, ArmReplay("done", "", 9.0, 900, ("python",))),
        ({"python": PassResult(2, 90, "slow")}, ArmReplay("refused", "slow", 9.0, 90, ())),
        (
            {"python": PassResult(12, 900, is_analysed=True), "native": PassResult(0, 0, "no memray")},
            ArmReplay("done", "native: no memray", 9.0, 900, ("python",)),
        ),
        (
            {"python": PassResult(12, 900, is_analysed=True), "native": PassResult(3, 60, "SIGINT", True)},
            ArmReplay("interrupted", "native: SIGINT", 9.0, 960, ("python",)),
        ),
    ],
    ids=["done", "refused", "one-of-two", "interrupted"],
)  # fmt: skip
def test_what_the_passes_came_to(results: dict[str, PassResult], found: ArmReplay) -> None:
    """One pass with enough points is a replay; the reason names the pass where there are several."""
    assert outcome(results, 9.04) == found


def test_what_the_first_pass_found_stays_where_the_second_one_fails(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: its lines are in sites.csv, and were analysed."""
    first = PassResult(points=6, requests=600, is_analysed=True)
    passes: Iterator[PassResult] = iter([first])

    def run_pass(*_: object) -> PassResult:
        for result in passes:
            return result
        raise HarnessError("no space left on device")

    monkeypatch.setattr("soak.replay.arms._run_pass", run_pass)
    scripted = make("replay.native=on")
    ended = scripted.ended
    found = replay_arm(ended, ended.plan.arms[0], 1e9, is_native=True)
    ended.session.close()
    assert (found.status, found.reason, found.requests) == ("done", "no space left on device", 600)
    assert found.passes == ("python",)
