"""Readings of a process: right for a living one, None for a dead one, never 0."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from soak.process import procfs


def test_readings_of_a_living_process_are_plausible() -> None:
    """Our own process: memory, CPU time, threads, descriptors."""
    pid = os.getpid()
    rss = procfs.rss_bytes(pid)
    stat = procfs.read_stat(pid)
    smaps = procfs.read_smaps(pid)
    fds = procfs.count_fds(pid)
    assert rss is not None
    assert stat is not None
    assert smaps is not None
    assert fds is not None
    assert 5e6 < smaps.uss_bytes <= smaps.pss_bytes
    assert stat.threads >= threading.active_count()
    assert 0 < stat.cpu_s < 10_000
    assert fds >= 3


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


def test_a_zombie_and_a_process_that_is_gone_read_as_none() -> None:
    """The kernel says 0 pages for a zombie; we say not read."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.rss_bytes(process.pid) is None
    process.wait()
    assert procfs.rss_bytes(process.pid) is None
    assert procfs.read_stat(process.pid) is None
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
