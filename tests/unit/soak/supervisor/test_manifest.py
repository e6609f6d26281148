"""What a manifest says of the load that no profile tells."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soak.config.load import load_profile
from soak.containers.engine import Image
from soak.errors import UsageError
from soak.limit.choose import Choice
from soak.limit.watchdog import WatchdogMechanism
from soak.plan.run_plan import RunPlan, plan_run
from soak.supervisor.manifest import run_manifest
from tests.support.paths import ROOT

PROFILE = '[traffic]\nlocustfile = "team.py"\n[arms.old]\ncommand = ["a"]\n[arms.new]\ncommand = ["b"]\n'


def own_plan(directory: Path, text: str = "USERS = 1\n") -> RunPlan:
    """Return the plan of a profile whose load is a locustfile with this text."""
    (directory / "team.py").write_text(text)
    (directory / "own.toml").write_text(PROFILE)
    return plan_run(load_profile(str(directory / "own.toml")), directory / "run", directory / "probe")


def manifest(plan: RunPlan) -> dict[str, Any]:
    return run_manifest(plan, Choice(WatchdogMechanism(), ()))


def demo(directory: Path, *overrides: str) -> dict[str, Any]:
    return manifest(plan_run(load_profile("demo", overrides), directory / "run", directory / "probe"))


def test_candidate_baseline_and_margin_are_resolved(tmp_path: Path) -> None:
    """A reader needs no profile, no roles and no default to know what is judged and by what."""
    found = demo(tmp_path)
    assert (found["candidate"], found["baseline"]) == ("fixed", "leaky")
    assert found["judge"]["candidate"] == ""
    chosen = demo(tmp_path, "judge.candidate=leaky", "judge.control=", "judge.max_leak=200 B/request")
    assert chosen["candidate"] == chosen["judge"]["candidate"] == "leaky"
    assert chosen["margin"] == {
        "max_leak_bytes_per_s": None,
        "max_leak_bytes_per_request": 200.0,
        "min_time_to_oom_s": None,
    }


def test_a_locustfile_is_known_by_its_content(tmp_path: Path) -> None:
    """The same path with other requests in it is another load."""
    first = manifest(own_plan(tmp_path))["locustfile_sha256"]
    assert first == hashlib.sha256(b"USERS = 1\n").hexdigest()
    assert manifest(own_plan(tmp_path, "USERS = 2\n"))["locustfile_sha256"] != first


def test_a_load_of_ours_has_no_such_file(tmp_path: Path) -> None:
    """What is not there has no hash."""
    plan = plan_run(load_profile("demo"), tmp_path / "run", tmp_path / "probe")
    assert manifest(plan)["locustfile_sha256"] is None


def test_a_locustfile_that_has_gone_is_a_sentence(tmp_path: Path) -> None:
    """Between the plan and the start."""
    plan = own_plan(tmp_path)
    (tmp_path / "team.py").unlink()
    with pytest.raises(UsageError, match=r"traffic\.locustfile: .*team\.py cannot be read \(No such file"):
        manifest(plan)


def test_the_injected_control_is_recorded(tmp_path: Path) -> None:
    """Its name, role and rates; what was asked for stays in the profile, and no other arm has them."""
    found = demo(tmp_path, "judge.control=inject")
    assert found["judge"]["control"] == "fixed.leak"
    assert found["config"]["judge"]["control"] == "inject"
    assert (found["candidate"], found["baseline"]) == ("fixed", "leaky")
    *builds, copy = found["arms"]
    assert (copy["name"], copy["role"]) == ("fixed.leak", "control")
    assert copy["injected"] == {"per": "request", "rates": {"python": 400.0, "native": 400.0}}
    assert all("injected" not in arm for arm in builds)


def test_each_arm_has_the_revision_of_its_directory(tmp_path: Path) -> None:
    """Two arms may be two checkouts; without one it is not known."""
    plan = own_plan(tmp_path)
    here = replace(plan.arms[0], process=replace(plan.arms[0].process, cwd=ROOT))
    found = manifest(replace(plan, arms=(here, plan.arms[1])))["arms"]
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?", found[0]["build"])
    assert found[1]["build"] is None


def test_an_image_is_recorded_by_its_id(tmp_path: Path) -> None:
    """With its engine, which sets the limit, beside that of the commands; its variables by name."""
    (tmp_path / "own.toml").write_text(
        'limit = { memory = "64 MiB" }\n[arms.old]\ncommand = ["a"]\n[arms.new]\nimage = "shop:2.1"\n'
        'env = { TOKEN = "hush" }\n'
    )
    image = Image("podman", "shop:2.1", f"sha256:{'ab' * 32}", (8000,))
    profile = load_profile(str(tmp_path / "own.toml"))
    found = manifest(plan_run(profile, tmp_path / "run", tmp_path / "probe", images={"new": image}))
    old, new = found["arms"]
    assert new["build"] == image.id
    assert new["image"] == {"engine": "podman", "name": "shop:2.1"}
    assert "image" not in old
    assert found["limit_mechanism"] == "watchdog, podman"
    [names] = [one["environment_names"] for one in found["processes"] if one["name"] == "new"]
    assert names == ["PYTHONPATH", "SOAK_PROBE_DIR", "TOKEN"]
    assert "hush" not in str(found)
