from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from soak.limit.base import Counters, Usage
from soak.limit.cgroup import V1, V2, CgroupLife, Files, read_counters, read_usage, v2_obstacle


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
    life = CgroupLife(tmp_path / "life", files, 1000, guard)  # type: ignore[arg-type]
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
    life = CgroupLife(tmp_path / "life", files, 1000, FakeGuard())  # type: ignore[arg-type]
    (tmp_path / "life" / files.peak).unlink()
    (tmp_path / "life" / files.events).write_text("low 0\noom_kill\n")
    assert life.counters() == Counters()


MIB = 1 << 20


@pytest.mark.parametrize(
    ("files", "content", "met"),
    [
        pytest.param(V1, {V1.limit: 64 * MIB, V1.peak: 64 * MIB}, True, id="v1, met"),
        pytest.param(V1, {V1.limit: 64 * MIB, V1.peak: 64 * MIB - 32768}, True, id="v1, eight pages short"),
        pytest.param(V1, {V1.limit: 512 * MIB, V1.peak: 48 * MIB}, False, id="v1, a parent's limit met"),
        pytest.param(
            V1,
            {V1.limit: 64 * MIB, V1.peak: 48 * MIB, V1.swap: 64 * MIB, V1.swap_peak: 64 * MIB - 4096},
            True,
            id="v1, met with what was swapped out for others",
        ),
        pytest.param(
            V1,
            {V1.limit: 64 * MIB, V1.peak: 48 * MIB, V1.swap: 128 * MIB, V1.swap_peak: 66 * MIB},
            False,
            id="v1, swap of its own left, as docker allows",
        ),
        pytest.param(
            V1,
            {V1.limit: 64 * MIB, V1.peak: 64 * MIB, V1.swap: 1 << 63, V1.swap_peak: 64 * MIB},
            True,
            id="v1, met with any swap",
        ),
        pytest.param(V1, {V1.limit: 1 << 63, V1.peak: 48 * MIB}, False, id="v1, no limit"),
        pytest.param(V1, {V1.limit: 64 * MIB}, None, id="v1, no peak"),
        pytest.param(V1, {V1.peak: 64 * MIB}, None, id="v1, limit not readable"),
        pytest.param(V2, {"memory.events.local": "max 3\noom 1\noom_kill 1\n"}, True, id="v2, met"),
        pytest.param(V2, {"memory.events.local": "max 9\noom 0\noom_kill 1\n"}, False, id="v2, cache alone"),
        pytest.param(
            V2,
            {"memory.events": "oom 1\noom_kill 1\n", "memory.events.local": "oom 0\noom_kill 0\n"},
            False,
            id="v2, the limit of a cgroup below",
        ),
        pytest.param(V2, {"memory.events": "oom 1\noom_kill 1\n"}, True, id="v2 before 5.2, met"),
        pytest.param(V2, {"memory.events": "oom 0\noom_kill 1\n"}, False, id="v2 before 5.2, not met"),
        pytest.param(V2, {}, None, id="v2, nothing readable"),
    ],
)
def test_a_limit_is_met_only_where_the_charge_was_at_it(
    tmp_path: Path, files: Files, content: dict[str, object], met: bool | None
) -> None:
    """The count of kills is also of those by a cgroup above and by the machine, and tells nothing about the limit."""
    for name, text in content.items():
        (tmp_path / name).write_text(f"{text}\n")
    assert read_counters(tmp_path, files).met_limit is met


def _as_kernel(path: Path, files: Files) -> None:
    """Do what mkdir does in a cgroup file system: the files are there at once."""
    os.mkdir(path)  # noqa: PTH102 - Path.mkdir is what this stands in for
    for name in (files.limit, files.swap, files.peak, files.events, "cgroup.procs"):
        (path / name).write_text("")
    (path / files.usage).write_text("77\n")


V1_STAT = "cache 1\nshmem 1\nrss 500\ntotal_cache 300\ntotal_shmem 200\ntotal_rss 500\n"
V2_STAT = "anon 500\nfile 300\nkernel 40\nshmem 200\nfile_mapped 3\n"
USAGE = Usage(1000, shmem_bytes=200, kernel_bytes=40, file_bytes=100)


@pytest.mark.parametrize(
    ("files", "content", "expected"),
    [
        pytest.param(V1, {"memory.stat": V1_STAT, "memory.kmem.usage_in_bytes": "40\n"}, USAGE, id="v1"),
        pytest.param(V2, {"memory.stat": V2_STAT}, USAGE, id="v2"),
        pytest.param(
            V2,
            {"memory.stat": f"{V2_STAT}slab_reclaimable 30\nslab_unreclaimable 4\n"},
            replace(USAGE, kernel_bytes=10, file_bytes=130),
            id="v2, names of files",
        ),
        pytest.param(V1, {"memory.stat": V1_STAT}, replace(USAGE, kernel_bytes=None), id="v1, no kmem"),
        pytest.param(
            V2,
            {"memory.stat": V2_STAT.replace("kernel 40\n", "")},
            replace(USAGE, kernel_bytes=None),
            id="v2, kernel before 5.18",
        ),
        pytest.param(
            V1,
            {"memory.stat": "cache 1\nrss 500\ntotal_cache 300\n", "memory.kmem.usage_in_bytes": "40"},
            Usage(1000, kernel_bytes=40, problem="memory.stat has no total_shmem"),
            id="v1, no shmem",
        ),
        pytest.param(
            V2,
            {"memory.stat": V2_STAT.replace("shmem 200\n", "")},
            Usage(1000, kernel_bytes=40, problem="memory.stat has no shmem"),
            id="v2, no shmem",
        ),
        pytest.param(
            V2,
            {"memory.stat": V2_STAT.replace("file 300\n", "")},
            Usage(1000, shmem_bytes=200, kernel_bytes=40, problem="memory.stat has no file"),
            id="v2, no file",
        ),
        pytest.param(
            V2,
            {"memory.stat": "anon\nshmem many\nfile 300 400\nkernel 40\n"},
            Usage(1000, kernel_bytes=40, problem="memory.stat has no file"),
            id="v2, damaged lines",
        ),
        pytest.param(V2, {}, Usage(1000, problem="memory.stat is not readable"), id="v2, no stat"),
        pytest.param(
            V1,
            {"memory.kmem.usage_in_bytes": "40"},
            Usage(1000, kernel_bytes=40, problem="memory.stat is not readable"),
            id="v1, no stat",
        ),
        pytest.param(
            V2,
            {"memory.stat": "file 100\nshmem 200\nkernel 40\n"},
            replace(USAGE, file_bytes=0),
            id="v2, read between two updates",
        ),
    ],
)
def test_the_charge_and_its_parts_are_read_by_both_versions(
    tmp_path: Path, files: Files, content: dict[str, str], expected: Usage
) -> None:
    """File cache comes without shared memory; a part that is missing is None with its reason, never 0."""
    for name, text in {files.usage: "1000\n", **content}.items():
        (tmp_path / name).write_text(text)
    usage = read_usage(tmp_path, files)
    assert replace(usage, problem=(usage.problem or "").removeprefix(f"{tmp_path}/") or None) == expected


@pytest.mark.parametrize("files", [V1, V2])
def test_a_cgroup_that_is_gone_is_charged_with_nothing_known(tmp_path: Path, files: Files) -> None:
    """The reason names the file."""
    assert read_usage(tmp_path, files) == Usage(problem=f"{tmp_path / files.usage} is not readable")
