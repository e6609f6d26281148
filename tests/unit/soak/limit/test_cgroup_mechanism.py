from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.limit.base import Counters
from soak.limit.cgroup import V1, V2, Cgroup, Files
from soak.limit.cgroup_mechanism import CgroupLife, v2_obstacle


class FakeGuard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.cgroups: list[Path] = []

    def add_cgroup(self, path: Path) -> None:
        self.cgroups.append(path)

    def drop_cgroup(self, path: Path) -> None:
        self.cgroups.remove(path)


def fake_v2(
    path: Path, *, controllers: str = "cpu memory pids", divided: str = "", members: str = ""
) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in {
        "cgroup.controllers": controllers,
        "cgroup.subtree_control": divided,
        "cgroup.procs": members,
        "cgroup.type": "domain",
    }.items():
        (path / name).write_text(text)
    return path


def test_our_own_cgroup_with_memory_can_be_divided(tmp_path: Path) -> None:
    """We and our children may move into a leaf."""
    assert v2_obstacle(fake_v2(tmp_path, members=f"{os.getpid()}\n")) is None


def test_a_cgroup_shared_with_others_cannot_be_divided(tmp_path: Path) -> None:
    """Other people's processes are not ours to move."""
    obstacle = v2_obstacle(fake_v2(tmp_path, members=f"1\n{os.getpid()}\n"))
    assert obstacle == "our cgroup also holds other processes (pid 1)"


def test_a_cgroup_that_is_divided_already_may_hold_us(tmp_path: Path) -> None:
    """Where children have the controller there is nothing to move."""
    assert v2_obstacle(fake_v2(tmp_path, divided="memory", members="1\n")) is None


def test_a_cgroup_without_memory_is_refused(tmp_path: Path) -> None:
    """Without the controller there is no limit."""
    assert (
        v2_obstacle(fake_v2(tmp_path, controllers="cpu"))
        == "memory is not among the controllers of our cgroup"
    )


@pytest.mark.parametrize(("files", "swap"), [(V1, "1000"), (V2, "0")], ids=["v1", "v2"])
def test_a_life_gets_its_limit_without_swap_and_gives_up_its_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files, swap: str
) -> None:
    """Version 1 limits memory plus swap to the same bytes, version 2 swap to none; each has names of its own."""
    monkeypatch.setattr(Path, "mkdir", lambda path: _as_kernel(path, files))
    guard = FakeGuard()
    life = CgroupLife(Cgroup(tmp_path / "life", files), 1000, guard)  # type: ignore[arg-type]
    assert (tmp_path / "life" / files.limit).read_text() == "1000"
    assert (tmp_path / "life" / files.swap).read_text() == swap
    (tmp_path / "life" / files.events).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "life" / files.peak).write_text("999\n")
    counted = life.counters()
    assert (counted.peak_bytes, counted.oom_kills) == (999, 2)
    assert life.usage().charged_bytes == 77
    assert guard.cgroups == [tmp_path / "life"]


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_counters_that_the_kernel_lacks_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files
) -> None:
    """An older kernel has no peak, or no count of kills; damage is no count either."""
    monkeypatch.setattr(Path, "mkdir", lambda path: _as_kernel(path, files))
    life = CgroupLife(Cgroup(tmp_path / "life", files), 1000, FakeGuard())  # type: ignore[arg-type]
    (tmp_path / "life" / files.peak).unlink()
    (tmp_path / "life" / files.events).write_text("low 0\noom_kill\n")
    assert life.counters() == Counters()


def _as_kernel(path: Path, files: Files) -> None:
    """Do what mkdir does in a cgroup file system: the files are there at once."""
    os.mkdir(path)  # noqa: PTH102 - Path.mkdir is what this stands in for
    for name in (files.limit, files.swap, files.peak, files.events, "cgroup.procs"):
        (path / name).write_text("")
    (path / files.usage).write_text("77\n")
