"""A finished run: its profile again, and what has changed since."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soak.config.load import load_profile, profile_names
from soak.config.profile import Profile
from soak.errors import RecordingError, UsageError
from soak.limit.choose import Choice
from soak.limit.watchdog import WatchdogMechanism
from soak.plan.run_plan import RunPlan, plan_run
from soak.recording.files import write_manifest
from soak.regular_files import write_text
from soak.replay.recorded import differences, profile_of, read_recorded
from soak.supervisor.manifest import run_manifest

PROFILE = """
[traffic]
rate_rps = 20
[arms.old]
command = ["python3", "app.py", "{port}"]
env = { TOKEN = "secret" }
"""


def _record(profile: Profile, run: Path, **more: Any) -> RunPlan:
    """Write what a run of the profile leaves."""
    run.mkdir(exist_ok=True)
    plan = plan_run(profile, run, Path("private"))
    manifest = run_manifest(plan, Choice(WatchdogMechanism(), ()))
    write_manifest(run, {**manifest, "status": "complete", **more})
    write_text(run / "traffic.json", plan.traffic.to_json())
    return plan


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile of one arm, beside the file that its command names."""
    (tmp_path / "app.py").write_text("serve()")
    (tmp_path / "mine.toml").write_text(PROFILE)
    return tmp_path / "mine.toml"


@pytest.mark.parametrize("name", [name for name in profile_names() if name != "images"])
def test_a_profile_comes_back_from_its_recording(name: str, tmp_path: Path) -> None:
    """With the settings of the run."""
    profile = load_profile(name, ["phases.load_s=77"])
    _record(profile, tmp_path / "run")
    assert profile_of(read_recorded(tmp_path / "run")) == profile


def test_the_variables_are_those_of_the_profile_as_it_is_now(profile: Path, tmp_path: Path) -> None:
    """Their values are in no recording."""
    _record(load_profile(str(profile)), tmp_path / "run")
    profile.write_text(PROFILE.replace("secret", "newer"))
    found = profile_of(read_recorded(tmp_path / "run"))
    assert found.arms["old"].env == {"TOKEN": "newer"}
    profile.unlink()
    with pytest.raises(UsageError, match=r"mine\.toml"):
        profile_of(read_recorded(tmp_path / "run"))


def _changed(change: Callable[[Path], object], profile: Path, run: Path) -> list[str]:
    """Return the differences after a change, by the profile of the recording."""
    _record(load_profile(str(profile)), run)
    change(profile.parent)
    recorded = read_recorded(run)
    plan = plan_run(profile_of(recorded), run, Path("private"))
    return list(differences(recorded, plan, "old"))


def _without_files(directory: Path) -> None:
    """Make the recording one of an earlier version."""
    path = directory / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["arms"][0]["files"], manifest["profile_file"]
    path.write_text(json.dumps(manifest))


def _touch_later(directory: Path) -> None:
    _without_files(directory)
    os.utime(directory / "app.py", (4e9, 4e9))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda _: None, []),
        (lambda at: (at / "app.py").write_text("serve_otherwise()"), ["app.py was changed"]),
        (lambda at: (at / "app.py").unlink(), ["app.py was changed"]),
        (lambda at: (at / "mine.toml").write_text(PROFILE.replace("TOKEN", "KEY")), ["the names of its variables"]),
        (_without_files, []),
        (_touch_later, ["app.py was changed after the run had begun"]),
    ],
    ids=["unchanged", "file", "gone", "variables", "earlier-version", "earlier-version-touched"],
)  # fmt: skip
def test_what_has_changed_since_the_run_is_named(
    change: Callable[[Path], object],
    found: list[str],
    profile: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An earlier run has no digests: nothing that its command names may be newer than it. Ports may differ."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").touch()
    os.utime(tmp_path / "app.py", (1e9, 1e9))
    differ = _changed(change, profile, tmp_path / "run")
    assert len(differ) == len(found)
    assert all(part in one for part, one in zip(found, differ, strict=True))


def test_another_load_or_command_is_named(profile: Path, tmp_path: Path) -> None:
    """As of a newer version of soakproof, which plans otherwise."""
    plan = _record(load_profile(str(profile)), tmp_path / "run")
    recorded = read_recorded(tmp_path / "run")
    other = load_profile(str(profile), ["traffic.rate_rps=21", 'arms.old.command=["python3", "app.py"]'])
    found = list(differences(recorded, plan_run(other, tmp_path / "run", Path("private")), "old"))
    assert found == [
        "traffic.json: rate_rps is another",
        f"arms.old.command is another in {profile}",
        "the command of old is another",
    ]
    assert list(differences(recorded, plan, "new")) == ["the profile has no arm new any more"]


def test_a_forged_command_is_refused_and_never_that_of_a_plan(profile: Path, tmp_path: Path) -> None:
    """Also where the whole recording agrees on it, and on a locustfile and a memray of its own."""
    real = load_profile(str(profile))
    (tmp_path / "evil.py").touch()
    settings = [
        'arms.old.command=["python3", "evil.py"]',
        'replay.memray="evil"',
        'traffic.locustfile="evil.py"',
    ]
    _record(load_profile(str(profile), [settings[0], settings[1]]), tmp_path / "run")
    recorded = read_recorded(tmp_path / "run")
    found = profile_of(recorded)
    assert (found.arms, found.replay.memray) == (real.arms, None)
    assert f"arms.old.command is another in {profile}" in differences(
        recorded, plan_run(found, tmp_path / "run", Path("private")), "old"
    )
    profile.write_text(PROFILE.replace("rate_rps = 20", ""))
    _record(load_profile(str(profile), [settings[2]]), tmp_path / "run")
    recorded = read_recorded(tmp_path / "run")
    plan = plan_run(profile_of(recorded), tmp_path / "run", Path("private"))
    assert plan.traffic.locustfile == ""
    assert "its locustfile was changed" in differences(recorded, plan, "old")


def test_a_profile_beside_a_recording_that_came_with_it_is_refused(
    profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run names its profile by the whole path: one from the directory of the user is of whoever packed both."""
    (tmp_path / "unpacked").mkdir()
    _record(load_profile(str(profile)), tmp_path / "unpacked" / "run")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unpacked" / "mine.toml").write_text(PROFILE)
    path = tmp_path / "unpacked" / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"profile_file": "unpacked/mine.toml"}))
    with pytest.raises(UsageError, match=r"its profile unpacked/mine\.toml may have come with it"):
        profile_of(read_recorded(tmp_path / "unpacked" / "run"))


def test_a_profile_within_the_recording_or_without_its_arm_is_refused(profile: Path, tmp_path: Path) -> None:
    """The first may come from elsewhere with it; the other names the file and the arm."""
    _record(load_profile(str(profile)), tmp_path / "run")
    profile.write_text(PROFILE.replace("arms.old", "arms.newer"))
    with pytest.raises(UsageError, match="no arm 'old'; the profile has newer"):
        profile_of(read_recorded(tmp_path / "run"))
    inner = tmp_path / "run" / "mine.toml"
    inner.write_text(PROFILE)
    _record(load_profile(str(inner)), tmp_path / "run")
    with pytest.raises(UsageError, match=r"run/mine\.toml is part of the recording"):
        profile_of(read_recorded(tmp_path / "run"))


@pytest.mark.parametrize("config", [{"arms": 3}, {"arms": {"old": 3}}, {"arms": {}, "traffic": 3}, {}])
def test_a_damaged_config_is_refused(profile: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    """With no traceback."""
    _record(load_profile(str(profile)), tmp_path / "run", config={"name": "mine", **config})
    with pytest.raises(RecordingError, match="config of its manifest is damaged"):
        profile_of(read_recorded(tmp_path / "run"))


def test_another_locustfile_is_named(profile: Path, tmp_path: Path) -> None:
    """By its content."""
    (tmp_path / "users.py").write_text("USERS = 1")
    profile.write_text(PROFILE.replace("rate_rps = 20", 'locustfile = "users.py"'))

    def change(directory: Path) -> None:
        (directory / "users.py").write_text("USERS = 2")

    assert _changed(change, profile, tmp_path / "run") == [f"{tmp_path}/users.py was changed"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"attached": True}, "attached to"),
        ({"status": "running"}, "the run is not complete"),
        ({"arms": 3}, "is damaged"),
        ({"started_wall_time": "yesterday"}, "is damaged"),
        ({"config": {}}, "is damaged"),
    ],
)
def test_a_directory_that_cannot_be_replayed_is_refused(
    profile: Path, tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    """With its reason, and no traceback."""
    _record(load_profile(str(profile)), tmp_path / "run", **more)
    with pytest.raises(RecordingError, match=reason):
        read_recorded(tmp_path / "run")
    with pytest.raises(RecordingError, match="no run of soak run"):
        read_recorded(tmp_path)


@pytest.mark.parametrize("arms", ["old", "new", "old,new"])
def test_a_run_of_some_arms_comes_back(tmp_path: Path, arms: str) -> None:
    """Also where the candidate, of which the control is a copy, was left out."""
    path = tmp_path / "mine.toml"
    roles = [f'[arms.{name}]\ncommand = ["{name}", "{{port}}"]\nrole = "{role}"\n'
             for name, role in (("old", "before"), ("new", "after"))]  # fmt: skip
    path.write_text("".join(roles) + '[judge]\ncontrol = "inject"\nmax_leak = "200 B/request"\n')
    profile = load_profile(str(path), arms=arms)
    _record(profile, tmp_path / "run", profile_file=str(path))
    assert profile_of(read_recorded(tmp_path / "run")) == profile
