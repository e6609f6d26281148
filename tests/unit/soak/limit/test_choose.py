"""Which limit mechanism is chosen, by scripted cgroup file systems."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from soak.limit import cgroup_mechanism
from soak.limit.choose import SCOPE_MARK, choose
from soak.process.guard import Guard
from tests.support.scripted_machine import NoGuard

V1 = "4:memory:/jobs\n"
V2 = "0::/jobs\n"


def mount(kind: str, path: Path) -> str:
    return f"31 23 0:27 / {path} rw - {kind}\n"


@pytest.mark.parametrize(
    ("membership", "mounted", "controllers", "expected", "refused"),
    [
        pytest.param(V2, "2", "cpu memory pids", "cgroup v2", "", id="v2"),
        pytest.param(V1, "1", "", "cgroup v1", "this process is in no cgroup v2", id="v1"),
        pytest.param(
            V1 + V2,
            "12",
            "cpu",
            "cgroup v1",
            "memory is not among the controllers",
            id="hybrid",
        ),
        pytest.param(
            V1 + V2, "2", "cpu", "watchdog", "no cgroup v1 file system with our path", id="v1 not mounted"
        ),
        pytest.param("", "", "", "watchdog", "in no cgroup v1 with memory", id="neither"),
    ],
)
def test_the_first_mechanism_that_works_is_chosen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    membership: str,
    mounted: str,
    controllers: str,
    expected: str,
    refused: str,
) -> None:
    """Version 2, else version 1, else a watchdog; each that was refused has a reason."""
    one, two = tmp_path / "memory", tmp_path / "unified"
    (one / "jobs").mkdir(parents=True)
    (two / "jobs").mkdir(parents=True)
    for name, text in {
        "cgroup.controllers": controllers,
        "cgroup.subtree_control": "",
        "cgroup.procs": f"{os.getpid()}\n",
    }.items():
        (two / "jobs" / name).write_text(text)
    mounts = {"1": mount("cgroup cgroup rw,memory", one), "2": mount("cgroup2 cgroup2 rw", two)}
    (tmp_path / "mountinfo").write_text("".join(mounts[version] for version in mounted))
    (tmp_path / "cgroup").write_text(membership)
    monkeypatch.setattr(cgroup_mechanism, "PROC_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cgroup_mechanism, "PROC_MOUNTINFO", tmp_path / "mountinfo")
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)  # of a cgroup that has files
    monkeypatch.delenv(SCOPE_MARK, raising=False)
    guard: Guard = NoGuard()
    choice = choose(guard, "test")
    assert choice.mechanism.name == expected
    assert refused in "; ".join(choice.refused)


def test_two_runs_of_one_name_have_cgroups_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one second in different directories have the same id; also the groups of the trial do not meet."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "mountinfo").write_text(mount("cgroup cgroup rw,memory", tmp_path))
    (tmp_path / "cgroup").write_text("4:memory:/jobs\n")
    monkeypatch.setattr(cgroup_mechanism, "PROC_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cgroup_mechanism, "PROC_MOUNTINFO", tmp_path / "mountinfo")
    made: list[str] = []
    mkdir = Path.mkdir

    def noting(path: Path) -> None:
        made.append(path.name)
        mkdir(path)

    monkeypatch.setattr(Path, "mkdir", noting)
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    for _ in range(2):
        choose(NoGuard(), f"20260102-030405-{'x' * 300}").mechanism.life("new-1", 1000)
    trial, life, other_trial, other_life = made
    assert len({trial, life, other_trial, other_life}) == 4
    assert life.startswith("soakproof-20260102-030405-x")
    assert life.endswith("-new-1")
    assert max(map(len, made)) < 200
