from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.containers import limit as module
from soak.containers.limit import ContainerLimit, FoundLimit
from soak.errors import UsageError
from soak.limit.base import Counters, Usage, who_ended
from soak.limit.cgroup import V1, V2, Cgroup, Files
from soak.limit.membership import NotUsableError

LIMIT = 64 << 20
NO_PID = 2**30
KILLED = 128 + 9


def files(directory: Path, which: Files, limit: str) -> None:
    """Write what a kernel shows of a cgroup."""
    (directory / which.limit).write_text(f"{limit}\n")
    (directory / which.usage).write_text("1000\n")
    (directory / which.peak).write_text("2000\n")
    (directory / which.events).write_text("oom_kill 0\n")
    (directory / "memory.stat").write_text(f"{which.shmem} 10\n{which.file} 30\n")


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A function that has the limit of a container read back from a cgroup with these contents."""

    def watch(which: Files, limit: str) -> ContainerLimit:
        files(tmp_path, which, limit)
        monkeypatch.setattr(module, "find_cgroup", lambda _pid: Cgroup(tmp_path, which))
        found = ContainerLimit("podman", "arms.new.image", LIMIT)
        found.watch(os.getpid())
        return found

    return watch


@pytest.mark.parametrize(("which", "limit"), [(V1, str(LIMIT)), (V2, str(LIMIT)), (V2, str(LIMIT - 4095))])
def test_a_container_is_read_like_a_cgroup_of_ours(watch, which: Files, limit: str) -> None:  # type: ignore[no-untyped-def]
    """Charge, parts, peak and kills; the kernel holds whole pages, so the limit may be some bytes lower."""
    found = watch(which, limit)
    try:
        assert found.usage().charged_bytes == 1000
        assert found.usage().file_bytes == 20
        assert (found.counters().peak_bytes, found.counters().oom_kills) == (2000, 0)
    finally:
        found.close()


@pytest.mark.parametrize(
    ("which", "limit", "has"),
    [
        (V1, "9223372036854771712", "no memory limit"),
        (V2, "max", "no memory limit"),
        (V2, str(LIMIT * 2), "a memory limit of 134,217,728 bytes"),
        (V1, str(LIMIT - 4096), "a memory limit of 67,104,768 bytes"),
    ],
)
def test_a_limit_that_the_engine_did_not_set_is_no_limit(watch, which: Files, limit: str, has: str) -> None:  # type: ignore[no-untyped-def]
    """Rootless podman ignores --memory on cgroup v1, with a warning: the arm would run without a limit."""
    with pytest.raises(UsageError, match=f"arms.new.image: podman set {has} instead of 67,108,864 bytes"):
        watch(which, limit)


def test_a_container_that_has_just_ended_is_no_fault_of_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is noticed as such; of one that runs, a limit that cannot be read is."""

    def none(_pid: int) -> Cgroup:
        raise NotUsableError("it is gone")

    monkeypatch.setattr(module, "find_cgroup", none)
    limit = ContainerLimit("podman", "arms.new.image", LIMIT)
    limit.watch(NO_PID)
    assert (limit.usage(), limit.counters()) == (Usage(), Counters())
    limit.close()
    with pytest.raises(UsageError, match="the memory limit that podman set cannot be read back: it is gone"):
        limit.watch(os.getpid())


def write_counts(cgroup: Path, files: Files, *, kills: int, ooms: int, peak_bytes: int) -> None:
    """Write what a kernel shows of a cgroup; only version 2 counts how often its own limit had run out."""
    (cgroup / files.limit).write_text(f"{LIMIT}\n")
    (cgroup / files.peak).write_text(f"{peak_bytes}\n")
    (cgroup / files.events).write_text(f"oom_kill {kills}\n")
    if files is V2:
        (cgroup / "memory.events.local").write_text(f"oom {ooms}\noom_kill {kills}\n")


@pytest.mark.parametrize(
    ("files", "ooms", "peaks", "met_limit", "by"),
    [
        pytest.param(V2, (3, 3), (LIMIT, LIMIT), False, "unknown", id="v2, for the pod, its own met before"),
        pytest.param(V2, (3, 4), (LIMIT, LIMIT), True, "kernel", id="v2, its own again"),
        pytest.param(V2, (0, 1), (1000, LIMIT), True, "kernel", id="v2, its own for the first time"),
        pytest.param(V1, (0, 0), (LIMIT, LIMIT), None, "unknown", id="v1, not known which"),
        pytest.param(V1, (0, 0), (1000, LIMIT), True, "kernel", id="v1, its own"),
        pytest.param(V1, (0, 0), (1000, 2000), False, "unknown", id="v1, for the pod"),
    ],
)
def test_a_kill_is_of_a_found_limit_only_where_that_was_met_since(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Files,
    ooms: tuple[int, int],
    peaks: tuple[int, int],
    met_limit: bool | None,
    by: str,
) -> None:
    """Two kills before we attached, one after: that one is recorded, and is the limit's where it was met by then."""
    monkeypatch.setattr(module, "find_cgroup", lambda _: Cgroup(tmp_path, files))
    write_counts(tmp_path, files, kills=2, ooms=ooms[0], peak_bytes=peaks[0])
    limit = FoundLimit(os.getpid())
    try:
        assert limit.counters().oom_kills == 0
        write_counts(tmp_path, files, kills=3, ooms=ooms[1], peak_bytes=peaks[1])
        counters = limit.counters()
        assert (counters.oom_kills, counters.peak_bytes, counters.met_limit) == (1, peaks[1], met_limit)
        assert who_ended(KILLED, counters, asked=False) == by
    finally:
        limit.close()
