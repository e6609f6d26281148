"""The replay of a run that has ended before, on a scripted machine."""

from __future__ import annotations

import errno
import hashlib
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from soak.cli.verify import verify
from soak.config.load import load_profile
from soak.contract import EVENT_COLUMNS, ArmReplay
from soak.errors import HarnessError, UsageError
from soak.limit.choose import Choice
from soak.limit.watchdog import WatchdogMechanism
from soak.plan.run_plan import plan_run
from soak.recording.files import record_sums, write_manifest
from soak.regular_files import write_text
from soak.replay.finished import Replayed, replay_finished
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import Ended
from soak.supervisor.manifest import run_manifest
from tests.support.scripted_machine import ScriptedChild, ScriptedMachine

PROFILE = """
[arms.old]
command = ["python3", "app.py", "{port}"]
[arms.new]
command = ["python3", "app.py", "{port}"]
"""
RUN = "20260101-000000-mine"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has ended, which was replayed at its end already."""
    (tmp_path / "app.py").write_text("serve()")
    (tmp_path / "mine.toml").write_text(PROFILE)
    directory = tmp_path / "runs" / RUN
    for name in ("old", "new", "logs", "report"):
        (directory / name).mkdir(parents=True)
        (directory / name / "samples.csv").write_text(name)
    (directory / "old" / "sites.csv").write_text("of the run's own replay")
    plan = plan_run(load_profile(str(tmp_path / "mine.toml")), directory, tmp_path)
    manifest = run_manifest(plan, Choice(WatchdogMechanism(), ()))
    write_manifest(directory, {**manifest, "status": "complete"})
    write_text(directory / "traffic.json", plan.traffic.to_json())
    record_sums(directory, {})
    return directory


def _replay(
    run: Path, arm: str = "", leaks: tuple[str, ...] = ("old",), output: StringIO | None = None
) -> tuple[Replayed | None, list[str]]:
    """Replay it, and return also the names of the processes that were started."""
    scripted = ScriptedMachine()

    def on_spawn(child: ScriptedChild) -> None:
        if child.spec.name == "judge":
            found = {"verdict": "leak", "native": False}
            Path(child.spec.argv[-1]).write_text(json.dumps(dict.fromkeys(leaks, found)))
            child.end(0)
        if child.spec.name == "locust":  # the analysis of a pass reads the recording
            manifest = json.loads((child.log.parents[1] / "manifest.json").read_text())
            assert (manifest["replay_of"]["run"], manifest["replay"]) == (RUN, {})

    scripted.on_spawn = on_spawn
    with Progress(Console(file=output or StringIO(), width=200)) as progress:
        found = replay_finished(run, arm, progress, StopRequest(), scripted.machine)
    assert scripted.running() == []
    return found, [child.spec.name for child in scripted.children]


def test_a_finished_run_is_replayed_into_a_directory_that_names_it_and_its_digest(run: Path) -> None:
    """That is a recording of its own; the run is as it was."""
    found, started = _replay(run)
    assert found is not None
    assert found.directory == run.with_name(f"{RUN}-replay")
    assert started == ["judge", "old", "locust"]
    manifest = json.loads((found.directory / "manifest.json").read_text())
    digest = hashlib.sha256((run / "SHA256SUMS").read_bytes()).hexdigest()
    assert manifest["replay_of"] == {"run": RUN, "sha256": digest}
    assert manifest["run_id"] == f"{RUN}-replay"
    assert manifest["replay"].keys() == {"old"}
    assert manifest["replay"]["old"]["status"] == "refused"  # no scripted process has a probe
    assert (found.directory / "old" / "samples.csv").read_text() == "old"
    assert not (found.directory / "old" / "sites.csv").exists()
    assert not (found.directory / "report").exists()
    assert verify(found.directory).exit_code == verify(run).exit_code == 0
    assert not (run.parent / "latest").exists()
    again, _ = _replay(run)
    assert again is not None
    assert again.directory.name == f"{RUN}-replay-2"


def test_an_arm_that_is_named_is_replayed_whatever_its_verdict(run: Path) -> None:
    """And no other."""
    found, started = _replay(run, arm="new", leaks=())
    assert found is not None
    assert found.arms.keys() == {"new"}
    assert started == ["judge", "new", "locust"]


def test_nothing_is_replayed_where_nothing_leaks(run: Path) -> None:
    """And no directory is made."""
    assert _replay(run, leaks=())[0] is None
    assert [path.name for path in run.parent.iterdir()] == [RUN]


@pytest.mark.parametrize(
    ("leaks", "why"),
    [
        ((), "No arm leaks: nothing was replayed."),
        (("old",), "Only the control leaks: nothing was replayed (--arm old replays it)."),
    ],
)
def test_a_control_that_leaks_is_replayed_where_it_is_named(
    run: Path, leaks: tuple[str, ...], why: str
) -> None:
    """Else it is not, and the reason is printed."""
    table = json.loads((run / "manifest.json").read_text())
    table["config"]["judge"]["control"] = "old"
    write_manifest(run, table)
    record_sums(run, {})
    output = StringIO()
    assert _replay(run, leaks=leaks, output=output)[0] is None
    assert output.getvalue().splitlines()[-1] == why
    found, _ = _replay(run, arm="old", leaks=leaks)
    assert found is not None


def test_a_profile_that_is_gone_is_named(run: Path, tmp_path: Path) -> None:
    """With the run that needs it, and what to do."""
    (tmp_path / "mine.toml").unlink()
    with pytest.raises(UsageError, match=rf"{RUN}: its profile .*mine\.toml is not there.*Soak it again"):
        _replay(run)


def test_a_profile_of_a_name_that_no_file_has_is_named(run: Path) -> None:
    """One that is too long: a recording may come from anywhere."""
    table = json.loads((run / "manifest.json").read_text())
    write_manifest(run, {**table, "profile_file": f"{'x' * 5000}.toml"})
    record_sums(run, {})
    with pytest.raises(UsageError, match="is not there"):
        _replay(run)


def test_what_has_changed_is_refused_with_the_difference(run: Path, tmp_path: Path) -> None:
    """The files that the command names; those of the recording; and an arm that is none."""
    with pytest.raises(UsageError, match="no such arm; it has old, new"):
        _replay(run, arm="newer")
    (tmp_path / "app.py").write_text("serve_otherwise()")
    with pytest.raises(UsageError, match=r"old would not be replayed as it ran: app\.py was changed"):
        _replay(run)
    (run / "old" / "samples.csv").write_text("other")
    with pytest.raises(UsageError, match=r"old/samples\.csv was changed"):
        _replay(run)
    assert [path.name for path in run.parent.iterdir()] == [RUN]


def test_what_has_changed_is_refused_whatever_the_clock_said_then(run: Path) -> None:
    """Each file is hashed: by a clock that was ahead, the run ended after the change."""
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds")
    names = [column.name for column in EVENT_COLUMNS]
    row = dict.fromkeys(names, "") | {
        "t_s": "9.000",
        "wall_time": ahead,
        "event": "run_end",
        "detail": "complete",
    }
    (run / "events.csv").write_text(f"{','.join(names)}\n{','.join(row.values())}\n")
    record_sums(run, {})
    (run / "old" / "samples.csv").write_text("other")
    with pytest.raises(UsageError, match=r"old/samples\.csv was changed"):
        _replay(run)


def test_a_run_without_hashes_is_refused(run: Path) -> None:
    """The hashes of its replay would confirm whatever is there."""
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["hashed"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "SHA256SUMS").unlink()
    (run / "new" / "samples.csv").write_text("other")
    with pytest.raises(
        UsageError, match=r"SHA256SUMS cannot be read .* only what was recorded can be replayed"
    ):
        _replay(run)
    assert [path.name for path in run.parent.iterdir()] == [RUN]


def test_a_replay_has_a_copy_of_the_recording(run: Path) -> None:
    """Of what lies deeper, too; a change of it is none of the run. What lies beside it, as keys, is not copied."""
    (run / "old" / "a" / "b").mkdir(parents=True)
    (run / "old" / "a" / "b" / "deep.txt").write_text("deep")
    record_sums(run, {})
    beside = ("test-result.json.sig", "SHA256SUMS.sig", "signing.pem")
    for name in beside:
        (run / name).write_text("secret")
    found, _ = _replay(run)
    assert found is not None
    assert not {path.name for path in found.directory.iterdir()}.intersection(beside)
    for name in beside:
        (run / name).unlink()
    assert (found.directory / "old" / "a" / "b" / "deep.txt").read_text() == "deep"
    (found.directory / "old" / "samples.csv").write_text("other")
    assert verify(run).exit_code == 0


def test_what_is_changed_while_it_is_replayed_is_found(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes of the copy are those from before: its target may write there."""

    def change(ended: Ended, *_: object) -> dict[str, ArmReplay]:
        (ended.plan.run_directory / "new" / "samples.csv").write_text("other")
        return {}

    monkeypatch.setattr("soak.replay.finished.replay_arms", change)
    found, _ = _replay(run)
    assert found is not None
    assert "- changed: new/samples.csv" in verify(found.directory).text


def test_a_copy_that_fails_leaves_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as on a full disk."""
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("soak.replay.finished.shutil.copyfile", Mock(side_effect=full))
    with pytest.raises(HarnessError, match=r"No space left on device\); make it writable, with room"):
        _replay(run)
    assert [path.name for path in run.parent.iterdir()] == [RUN]


def test_a_run_whose_profile_forbids_a_replay_is_refused(run: Path) -> None:
    """Its requests may be sent only once."""
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["replay"]["seconds"] = 0
    path.write_text(json.dumps(manifest))
    record_sums(run, {})
    with pytest.raises(UsageError, match=r"replay\.seconds is 0"):
        _replay(run)
