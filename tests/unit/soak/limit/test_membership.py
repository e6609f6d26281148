"""Where a process's cgroup is, and how many threads it allows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.limit import membership
from soak.limit.membership import DEFAULT_THREADS, NotUsableError, own_cgroup, threads_limit

V2_MOUNT = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "36 25 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
CPU_MOUNT = "35 25 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"


def test_version_1_is_found_below_our_own_path() -> None:
    """The memory controller's line counts, not another controller's."""
    text = "5:cpu,cpuacct:/other\n4:memory:/jobs/17\n0::/unified\n"
    assert own_cgroup(text, CPU_MOUNT + V1_MOUNT, 1) == Path("/sys/fs/cgroup/memory/jobs/17")


def test_version_2_is_found_in_a_container_that_sees_only_its_own_part() -> None:
    """A mount's root is taken off our path."""
    mount = V2_MOUNT.replace(" / /sys", " /docker/abc /sys")
    assert own_cgroup("0::/docker/abc/x\n", mount, 2) == Path("/sys/fs/cgroup/x")


@pytest.mark.parametrize(
    ("text", "mounts", "version", "why"),
    [
        ("4:cpu:/x\n", V1_MOUNT, 1, "in no cgroup v1 with memory"),
        ("4:memory:/x\n", CPU_MOUNT, 1, "no cgroup v1 file system"),
        ("0::/x\n", V1_MOUNT, 2, "no cgroup v2 file system"),
    ],
)
def test_a_machine_without_it_says_what_is_missing(text: str, mounts: str, version: int, why: str) -> None:
    """Each refusal is a clause for the manifest."""
    with pytest.raises(NotUsableError, match=why):
        own_cgroup(text, mounts, version)


def scripted_machine(proc: Path, pid: int, membership_text: str, mounts: str) -> Path:
    """Write what /proc states of a process; return the file of the mounts."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cgroup").write_text(membership_text)
    (proc / "mountinfo").write_text(mounts)
    return proc / "mountinfo"


@pytest.mark.parametrize(
    ("text", "kind", "limits", "expected"),
    [
        pytest.param(
            "0::/a/b\n", "cgroup2 cgroup2 rw", {"a/b": "max", "a": "500"}, 500, id="v2, by a parent"
        ),
        pytest.param(
            "0::/a/b\n", "cgroup2 cgroup2 rw", {"a/b": "max", "a": "max"}, DEFAULT_THREADS, id="v2, none"
        ),
        pytest.param(
            "0::/a/b\n", "cgroup2 cgroup2 rw", {"a/b": "90000"}, 90_000, id="v2, more than the default"
        ),
        pytest.param("8:pids:/a\n0::/a\n", "cgroup cgroup rw,pids", {"a": "70"}, 70, id="v1"),
        pytest.param(
            "8:pids:/a\n0::/a\n", "cgroup cgroup rw,cpu", {"a": "70"}, DEFAULT_THREADS, id="v1, not mounted"
        ),
        pytest.param(
            "4:memory:/a\n0::/b\n", "cgroup2 cgroup2 rw", {"b": "60", "a": "70"}, 60, id="hybrid, pids by v2"
        ),
    ],
)
def test_the_threads_that_a_cgroup_allows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    kind: str,
    limits: dict[str, str],
    expected: int,
) -> None:
    """The smallest of the cgroup and those above it counts; where none is set, the default."""
    for path, limit in limits.items():
        (tmp_path / "fs" / path).mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / path / "pids.max").write_text(f"{limit}\n")
    monkeypatch.setattr(membership, "PROC", tmp_path)
    mountinfo = scripted_machine(tmp_path, 7, text, f"31 23 0:27 / {tmp_path / 'fs'} rw - {kind}\n")
    assert threads_limit(7, mountinfo) == expected


def test_paths_need_be_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of a file system nor that of the cgroup: the kernel has bytes."""
    cgroup = tmp_path / "fs" / os.fsdecode(b"M\xfcller")
    cgroup.mkdir(parents=True)
    (cgroup / "pids.max").write_text("12\n")
    monkeypatch.setattr(membership, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_bytes(b"0::/M\xfcller\n")
    mounts = tmp_path / "mountinfo"
    of_cgroup = f"31 23 0:27 / {tmp_path / 'fs'} rw - cgroup2 cgroup2 rw\n"
    mounts.write_bytes(b"30 23 0:26 / /mnt/\xff rw - ext4 /dev/x rw\n" + of_cgroup.encode())
    assert threads_limit(7, mounts) == 12


def test_a_process_that_is_gone_or_hidden_has_the_default() -> None:
    """Nothing is raised, and our own limit is a number."""
    assert threads_limit(2**22 + 1) == DEFAULT_THREADS
    assert threads_limit(os.getpid()) > 0
