from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soak.limit.base import Usage
from soak.limit.cgroup import V1, V2, Cgroup, Files

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
    assert Cgroup(tmp_path, files).counters().met_limit is met


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
    usage = Cgroup(tmp_path, files).usage()
    assert replace(usage, problem=(usage.problem or "").removeprefix(f"{tmp_path}/") or None) == expected


@pytest.mark.parametrize("files", [V1, V2])
def test_a_cgroup_that_is_gone_is_charged_with_nothing_known(tmp_path: Path, files: Files) -> None:
    """The reason names the file."""
    assert Cgroup(tmp_path, files).usage() == Usage(problem=f"{tmp_path / files.usage} is not readable")
