from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.limit import cgroup
from soak.limit.base import Counters
from soak.limit.cgroup import V1, V2, CgroupLife, NotUsableError, own_cgroup, v2_obstacle

V2_MOUNT = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "36 25 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
CPU_MOUNT = "35 25 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"


class FakeGuard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.cgroups: list[Path] = []

    def add_cgroup(self, path: Path) -> None:
        self.cgroups.append(path)

    def drop_cgroup(self, path: Path) -> None:
        self.cgroups.remove(path)


def test_version_1_is_found_below_our_own_path() -> None:
    """The memory controller's line counts, not another controller's."""
    text = "5:cpu,cpuacct:/other\n4:memory:/jobs/17\n0::/unified\n"
    assert own_cgroup(text, CPU_MOUNT + V1_MOUNT, V1) == Path("/sys/fs/cgroup/memory/jobs/17")


def test_version_2_is_found_in_a_container_that_sees_only_its_own_part() -> None:
    """A mount's root is taken off our path."""
    mount = V2_MOUNT.replace(" / /sys", " /docker/abc /sys")
    assert own_cgroup("0::/docker/abc/x\n", mount, V2) == Path("/sys/fs/cgroup/x")


@pytest.mark.parametrize(
    ("text", "mounts", "files", "why"),
    [
        ("4:cpu:/x\n", V1_MOUNT, V1, "in no cgroup v1 with memory"),
        ("4:memory:/x\n", CPU_MOUNT, V1, "no cgroup v1 file system"),
        ("0::/x\n", V1_MOUNT, V2, "no cgroup v2 file system"),
    ],
)
def test_a_machine_without_it_says_what_is_missing(
    text: str, mounts: str, files: cgroup.Files, why: str
) -> None:
    """Each refusal is a clause for the manifest."""
    with pytest.raises(NotUsableError, match=why):
        own_cgroup(text, mounts, files)


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


def test_a_life_gets_its_limit_without_swap_and_gives_up_its_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1: memory plus swap is set to the same bytes; the counters are read by their own names."""
    monkeypatch.setattr(Path, "mkdir", _as_kernel)
    guard = FakeGuard()
    life = CgroupLife(tmp_path / "life", V1, 1000, guard)  # type: ignore[arg-type]
    assert (tmp_path / "life" / V1.limit).read_text() == "1000"
    assert (tmp_path / "life" / V1.swap).read_text() == "1000"
    (tmp_path / "life" / V1.events).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "life" / V1.peak).write_text("999\n")
    assert life.counters() == Counters(peak_bytes=999, oom_kills=2)
    assert life.usage_bytes() == 77
    assert guard.cgroups == [tmp_path / "life"]


def _as_kernel(path: Path) -> None:
    """Do what mkdir does in a cgroup file system: the files are there at once."""
    os.mkdir(path)  # noqa: PTH102 - Path.mkdir is what this stands in for
    for name in (V1.limit, V1.swap, V1.peak, V1.events, "cgroup.procs"):
        (path / name).write_text("")
    (path / V1.usage).write_text("77\n")
