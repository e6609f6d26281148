"""Readings of a process: right for a living one, None for a dead one, never 0."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from soak.limit.watchdog import resident_by_pid
from soak.process import procfs
from soak.process.child import start_kept
from soak.process.namespaces import look_inside
from tests.support.detached import DETACHED


def _status_and_smaps(pid: int) -> tuple[procfs.Status, procfs.Smaps]:
    """Return what two files state of a process, read again where memory was given back between the two."""
    deadline = time.monotonic() + 10
    while True:
        status, smaps = procfs.read_status(pid), procfs.read_smaps(pid)
        assert status is not None
        assert smaps is not None
        if smaps.anon_bytes == pytest.approx(status.anon_bytes, abs=1e6) or time.monotonic() > deadline:
            return status, smaps
        time.sleep(0.05)


def test_readings_of_a_living_process_are_plausible() -> None:
    """Our own process: memory, CPU time, threads, descriptors."""
    pid = os.getpid()
    rss = procfs.rss_bytes(pid)
    cpu_s = procfs.cpu_s(pid)
    fds = procfs.count_fds(pid)
    status, smaps = _status_and_smaps(pid)
    assert rss is not None
    assert cpu_s is not None
    assert fds is not None
    assert status.anon_bytes is not None
    assert status.file_bytes is not None
    assert 5e6 < smaps.uss_bytes <= smaps.pss_bytes
    assert smaps.anon_bytes == pytest.approx(status.anon_bytes, abs=1e6)
    assert 3e6 < status.anon_bytes <= rss
    assert 1e6 < status.file_bytes <= rss
    assert status.threads >= threading.active_count()
    assert 0 < cpu_s < 10_000
    assert 3 <= fds <= (procfs.fds_limit(pid) or fds)


def test_memory_that_is_touched_is_seen() -> None:
    """50 MB more are 50 MB more, in RSS and in USS."""
    pid = os.getpid()
    before, uss_before = procfs.rss_bytes(pid), procfs.read_smaps(pid)
    block = b"x" * 50_000_000
    after, uss_after = procfs.rss_bytes(pid), procfs.read_smaps(pid)
    assert before is not None
    assert after is not None
    assert uss_before is not None
    assert uss_after is not None
    assert 45e6 < after - before < 55e6
    assert 45e6 < uss_after.uss_bytes - uss_before.uss_bytes < 55e6
    del block


def test_anonymous_memory_is_told_apart_from_files_and_shared_memory(tmp_path: Path) -> None:
    """50 MB of a mapped file, of shared memory and of anonymous memory are each seen as what they are, and only so."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 50_000_000)

    def read() -> tuple[int, int, int]:
        status = procfs.read_status(os.getpid())
        assert status is not None
        assert status.anon_bytes is not None
        assert status.shmem_bytes is not None
        assert status.file_bytes is not None
        return status.anon_bytes, status.shmem_bytes, status.file_bytes

    readings = [read()]
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
    assert sum(mapped[::4096]) > 0
    readings.append(read())
    shared = mmap.mmap(-1, 50_000_000, flags=mmap.MAP_SHARED)
    shared.write(b"x" * 50_000_000)
    readings.append(read())
    block = bytearray(b"x" * 50_000_000)
    readings.append(read())
    grown = [[round((b - a) / 50e6, 1) for a, b in zip(*two, strict=True)] for two in pairwise(readings)]
    assert grown == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    del block
    shared.close()
    mapped.close()


def test_memory_that_is_mapped_but_not_touched_costs_nothing() -> None:
    """A terabyte of address space is no memory, and reading its process takes no longer for it."""
    code = (
        "import mmap; m = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)\n"
        "print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status, smaps = procfs.read_status(process.pid), procfs.read_smaps(process.pid)
        process.kill()
    assert status is not None
    assert smaps is not None
    assert 1e6 < (status.anon_bytes or 0) < 100e6
    assert 1e6 < smaps.uss_bytes < 100e6


SCRIPTED = b"""Name:\tpython\nState:\tS (sleeping)\nVmSize:\t 9000 kB\nVmRSS:\t     700 kB
RssAnon:\t     400 kB\nRssFile:\t     200 kB\nRssShmem:\t     100 kB\nVmSwap:\t      50 kB\nThreads:\t3\n"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(SCRIPTED, (400, 50, 100, 200), id="with memory in swap or zram"),
        pytest.param(SCRIPTED.replace(b"VmSwap", b"Other"), (400, 0, 100, 200), id="a kernel without swap"),
        pytest.param(SCRIPTED.replace(b"Rss", b"Other"), (None, 50, None, None), id="a kernel before 4.5"),
        pytest.param(SCRIPTED.replace(b"400 kB", b"? kB"), (None, 50, 100, 200), id="a damaged line"),
    ],
)
def test_the_kinds_of_memory_are_read_from_the_status(text: bytes, expected: tuple[int | None, ...]) -> None:
    """What the kernel does not state is None, never 0."""
    status = procfs.parse_status(text)
    assert status is not None
    sizes = (status.anon_bytes, status.swap_bytes, status.shmem_bytes, status.file_bytes)
    assert tuple(None if size is None else size // 1024 for size in sizes) == expected
    assert status.threads == 3


def test_a_status_without_threads_is_no_reading() -> None:
    """It is cut short."""
    assert procfs.parse_status(SCRIPTED.replace(b"Threads", b"Other")) is None


def test_a_zombie_and_a_process_that_is_gone_read_as_none() -> None:
    """The kernel says 0 pages for a zombie; we say not read."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.rss_bytes(process.pid) is None
    process.wait()
    assert procfs.rss_bytes(process.pid) is None
    assert procfs.cpu_s(process.pid) is None
    assert procfs.read_status(process.pid) is None
    assert procfs.fds_limit(process.pid) is None
    assert procfs.read_smaps(process.pid) is None
    assert procfs.count_fds(process.pid) is None


def test_descendants_are_found_to_the_last() -> None:
    """A child's child belongs to the arm too."""
    code = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=subprocess.PIPE);"
        "print(p.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= set(procfs.descendants(os.getpid()))
        assert procfs.descendants(grandchild) == []
        os.kill(grandchild, 9)
        child.kill()


def test_what_has_detached_from_a_command_is_of_it_too() -> None:
    """A service cannot put its memory where nobody looks: its keeper is the parent of all that it leaves."""
    argv = [sys.executable, "-S", "-c", DETACHED]
    process, channel, pid = start_kept("app", argv, dict(os.environ), stdout=subprocess.PIPE)
    with process, channel:
        assert process.stdout is not None
        detached = int(process.stdout.readline())
        assert procfs.descendants(pid) == []
        assert procfs.processes_of(pid) == [detached]
        assert sum(resident_by_pid(pid).values()) > 32 << 20
        channel.send(b"k")
        process.wait(10)
    assert procfs.processes_of(pid) == []


def test_a_command_whose_keeper_was_killed_is_not_all_of_the_machine() -> None:
    """It can outlive its keeper; then its parent is that of every orphan, whose processes are not its own."""
    code = "import ctypes, time; ctypes.CDLL(None).prctl(1, 0); print(flush=True); time.sleep(300)"
    process, channel, pid = start_kept(
        "app", [sys.executable, "-S", "-c", code], dict(os.environ), stdout=subprocess.PIPE
    )
    with process, channel:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait(10)
        try:
            assert procfs.started_ticks(pid) is not None
            assert procfs.processes_of(pid) == []
        finally:
            os.kill(pid, signal.SIGKILL)


def test_a_name_may_be_no_text() -> None:
    """The kernel cuts it after 15 bytes, in the middle of a letter of two; the process is there all the same."""
    name = "пользователи".encode()[:15]
    code = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}); print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert Path(f"/proc/{process.pid}/comm").read_bytes() == name + b"\n"
        assert (procfs.started_ticks(process.pid) or 0) >= (procfs.started_ticks(os.getpid()) or 0) > 0
        assert look_inside(process.pid).pid == process.pid
        process.kill()


def test_a_process_is_found_until_it_is_a_zombie() -> None:
    """One that was found is dead from then on, whatever gets its pid."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    found = procfs.find_process(process.pid)
    assert found is not None
    assert found == procfs.find_process(process.pid)
    assert found != procfs.find_process(os.getpid())
    assert procfs.is_alive(found)
    assert (procfs.started_ticks(process.pid) or 0) >= (procfs.started_ticks(os.getpid()) or 0) > 0
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not procfs.is_alive(found)
    assert procfs.find_process(process.pid) is None
    assert procfs.started_ticks(process.pid) is None
    process.communicate()
    assert not procfs.is_alive(found)
    assert procfs.find_process(process.pid) is None
    assert procfs.started_ticks(process.pid) is None


def test_a_variable_of_another_process_is_read() -> None:
    """As it was when the process started; a name that only begins alike is another one."""
    environment = {"SOAK_TEST": "a=b", "SOAK_TEST_MORE": "no"}
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()  # it has become the command
        assert procfs.environment_value(process.pid, "SOAK_TEST") == "a=b"
        assert procfs.environment_value(process.pid, "SOAK") is None
        process.kill()
    assert procfs.environment_value(process.pid, "SOAK_TEST") is None


def test_a_process_is_hidden_when_it_is_there_and_proc_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the mount option hidepid does it; one that is gone is not hidden."""
    assert not procfs.is_hidden(os.getpid())

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(procfs, "PROC", tmp_path)
    assert not procfs.is_hidden(2**22 + 1)
    monkeypatch.setattr(os, "kill", refuse)
    assert procfs.is_hidden(7)


def test_a_step_of_the_wall_clock_leaves_a_process_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's boot time moves with it, and so does when a process was started by the wall clock."""
    here = procfs.find_process(os.getpid())
    assert here is not None
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 1.0)
    assert procfs.is_alive(here)
    assert procfs.find_process(os.getpid()) == here
