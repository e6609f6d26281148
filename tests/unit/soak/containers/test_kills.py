"""Kills in a cgroup that disappears, by real processes and, where it is ours to make, a real cgroup v1."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soak.containers.kills import KillWatcher
from soak.limit.base import Counters
from soak.limit.cgroup import V1, V2, Cgroup
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup
from soak.process.guard import remove_cgroup

LIMIT = 24 << 20
FILL = "import time\nx = [bytearray(1 << 20) for _ in range(100)]\nfor one in x: one[::4096] = b'1' * 256\n"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def until(happened, within_s: float = 5.0) -> None:  # type: ignore[no-untyped-def]
    """Wait until something has happened."""
    by_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < by_s
        time.sleep(0.005)


def test_the_end_of_the_process_is_read_at_once(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    """What is counted then is read before the engine removes the cgroup, long before the next ordinary reading."""
    now = Counters(peak_bytes=10, oom_kills=0)

    def read() -> Counters:
        return now

    watcher = KillWatcher(Cgroup(tmp_path, V2), process.pid, LIMIT, read)
    try:
        until(lambda: watcher._latest.peak_bytes == 10)
        now = Counters(peak_bytes=20, oom_kills=1)
        process.kill()
        until(lambda: watcher._latest.oom_kills == 1, 0.9)
        now = Counters()
        assert watcher.counters() == Counters(peak_bytes=20, oom_kills=1)
    finally:
        watcher.close()
        watcher.close()


def test_readings_never_fall(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    """A cgroup that is gone, and one that counts anew, take nothing back."""
    found = iter([Counters(peak_bytes=20, oom_kills=2, oomd_kills=1), Counters(peak_bytes=5, oom_kills=0)])
    watcher = KillWatcher(Cgroup(tmp_path, V2), process.pid, LIMIT, lambda: next(found, Counters()))
    try:
        until(lambda: not watcher._thread.is_alive() or watcher._latest.oom_kills)
        watcher.counters()
        assert watcher.counters() == Counters(peak_bytes=20, oom_kills=2, oomd_kills=1)
    finally:
        watcher.close()


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A limited cgroup v1 of our own."""
    try:
        path = own_cgroup(PROC_CGROUP.read_text(), PROC_MOUNTINFO.read_text(), 1) / f"kills-{os.getpid()}"
        path.mkdir()
    except (NotUsableError, OSError) as error:
        pytest.skip(f"no cgroup v1 can be made here: {error}")
    (path / V1.limit).write_text(str(LIMIT))
    if (path / V1.swap).exists():
        (path / V1.swap).write_text(str(LIMIT))
    yield path
    remove_cgroup(path / "below")
    remove_cgroup(path)


@pytest.mark.parametrize("earlier", [0, 3])
@pytest.mark.parametrize(("code", "kills"), [(FILL, 1), ("pass", 0)])
def test_a_kill_is_counted_though_the_cgroup_was_gone_before_it_could_be_read(
    cgroup: Path, code: str, kills: int, earlier: int
) -> None:
    """The kernel signals each kill and the removal, and keeps the count of its signals; an ordinary end adds none.

    Whatever was counted before, as of a worker.
    """
    reads = 0

    def read_too_late() -> Counters:
        nonlocal reads
        reads += 1
        if reads == 1:
            return Counters(peak_bytes=1, oom_kills=earlier)
        until(lambda: not cgroup.exists())
        return Counters()

    enter = f"import os\nopen({str(cgroup / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\ninput()\n"
    with subprocess.Popen([sys.executable, "-S", "-c", enter + code], stdin=subprocess.PIPE) as process:
        watcher = KillWatcher(Cgroup(cgroup, V1), process.pid, LIMIT, read_too_late)
        try:
            process.communicate(b"\n")
            assert process.returncode == (-9 if kills else 0)
            assert remove_cgroup(cgroup)
            expected = Counters(
                peak_bytes=LIMIT if kills else 1,
                oom_kills=earlier + kills,
                met_limit=True if kills else None,
                ooms=1 if kills else None,
            )
            assert watcher.counters() == expected
        finally:
            watcher.close()


def test_a_kill_by_the_limit_of_the_cgroup_above_is_none_of_the_container(cgroup: Path) -> None:
    """As of a pod's: the kernel signals the container, too, whose charge has not met its own limit."""
    below = cgroup / "below"
    below.mkdir()
    reads = 0

    def read_too_late() -> Counters:
        nonlocal reads
        reads += 1
        if reads > 1:
            until(lambda: not below.exists())
            return Counters()
        return Counters(peak_bytes=1, oom_kills=0, met_limit=False)

    enter = f"import os\nopen({str(below / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\ninput()\n"
    with subprocess.Popen([sys.executable, "-S", "-c", enter + FILL], stdin=subprocess.PIPE) as process:
        watcher = KillWatcher(Cgroup(below, V1), process.pid, LIMIT * 8, read_too_late)
        try:
            process.communicate(b"\n")
            assert process.returncode == -9
            assert remove_cgroup(below)
            assert watcher.counters() == Counters(peak_bytes=1, oom_kills=1, met_limit=False)
        finally:
            watcher.close()


def test_version_2_wakes_by_a_change_of_the_file(process: subprocess.Popen[bytes]) -> None:
    """POLLPRI on a file of cgroup v2: tried with cgroup.events, which every kernel has, in place of memory.events."""
    try:
        own = own_cgroup(PROC_CGROUP.read_text(), PROC_MOUNTINFO.read_text(), 2) / f"kills-{os.getpid()}"
        own.mkdir()
    except (NotUsableError, OSError) as error:
        pytest.skip(f"no cgroup v2 can be made here: {error}")
    reads = 0

    def read() -> Counters:
        nonlocal reads
        reads += 1
        return Counters(oom_kills=0)

    watcher = KillWatcher(Cgroup(own, replace(V2, events="cgroup.events")), os.getpid(), LIMIT, read)
    try:
        until(lambda: reads)
        before = reads
        (own / "cgroup.procs").write_text(str(process.pid))  # populated 1
        until(lambda: reads > before + 3, 0.9)
    finally:
        watcher.close()
        process.kill()
        process.wait()
        remove_cgroup(own)
