from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from soak.limit.base import Counters
from soak.limit.watchdog import (
    ABOVE_EVERY_S,
    CHANGED_SHARE,
    EXACT_SHARE,
    SharedOnce,
    WatchdogLife,
    proportional_bytes,
    resident_by_pid,
)
from soak.process.child import start_kept

MIB = 1 << 20
FORKS = """
import os, sys, time
shared = bytearray(b"1") * (30 << 20)
for _ in range(5):
    if os.fork() == 0:
        time.sleep(300)
print("forked", flush=True)
time.sleep(300)
"""


def memory(readings: Iterator[int | None]) -> SharedOnce:
    """A process that shares nothing."""
    latest: list[int | None] = [None]

    def resident(pid: int) -> dict[int, int]:
        latest[0] = next(readings)
        return {} if latest[0] is None else {pid: latest[0]}

    return SharedOnce(100, resident, lambda _: latest[0], lambda: 0.0)


def test_the_watchdog_kills_above_the_limit_and_not_below() -> None:
    """A scripted process grows past its limit; only then is its group killed, once, and counted."""
    readings = iter([50, 100, 101, 101])
    killed: list[int] = []
    life = WatchdogLife(100, memory(readings), kill=killed.append)
    assert [life.check(1234), life.check(1234), life.check(1234)] == [True, True, False]
    assert killed == [1234]
    assert life.counters() == Counters(peak_bytes=101, watchdog_kills=1)


def test_a_process_that_may_not_be_killed_is_watched_on() -> None:
    """It has another user by now: no kill is counted, and the peak shows how far it went beyond its limit."""
    readings = iter([50, 101, 101, 150, 150])

    def refuse(_pid: int) -> None:
        raise PermissionError

    life = WatchdogLife(100, memory(readings), kill=refuse)
    assert [life.check(1234), life.check(1234), life.check(1234)] == [True, True, True]
    assert life.counters() == Counters(peak_bytes=150, watchdog_kills=0)


def test_the_watchdog_ends_with_its_process() -> None:
    """A process that is gone is neither killed nor counted; nor is one that goes before it is read exactly."""
    killed: list[int] = []
    life = WatchdogLife(100, memory(iter([None])), kill=killed.append)
    assert life.check(1234) is False
    life = WatchdogLife(100, memory(iter([101, None])), kill=killed.append)
    assert life.check(1234) is False
    assert killed == []
    assert life.counters() == Counters(watchdog_kills=0)


def test_forked_workers_are_killed_for_what_they_share_once() -> None:
    """Real processes: six that share 30 MiB are left alone under 100 MiB, and killed under 20 MiB."""
    argv = [sys.executable, "-S", "-c", FORKS]
    keeper, channel, pid = start_kept("app", argv, dict(os.environ), stdout=subprocess.PIPE)
    with keeper, channel:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"forked\n"
        killed: list[int] = []
        wide, tight = WatchdogLife(100 * MIB, kill=killed.append), WatchdogLife(20 * MIB, kill=killed.append)
        assert sum(resident_by_pid(pid).values()) > 180 * MIB
        assert 30 * MIB < (proportional_bytes(pid) or 0) < 100 * MIB
        assert wide.check(pid) is True
        assert 30 * MIB < (wide.counters().peak_bytes or 0) < 100 * MIB
        assert killed == []
        assert tight.check(pid) is False
        assert killed == [pid]
        channel.send(b"k")
        keeper.wait(10)


class Workers:
    """Memory of workers by script, as much in each, whose exact reading takes 0.02 s."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.workers = 10
        self.resident = 400
        self.exact: int | None = 60
        self.exact_readings = 0

    def read_exactly(self, _pid: int) -> int | None:
        self.now_s += 0.02
        self.exact_readings += 1
        return self.exact

    def read_resident(self, pid: int) -> dict[int, int]:
        each, left = divmod(self.resident, self.workers)
        return {pid + number: each + (number < left) for number in range(self.workers)}

    def memory(self, limit: int) -> SharedOnce:
        return SharedOnce(limit, self.read_resident, self.read_exactly, lambda: self.now_s)


def test_between_exact_readings_memory_grows_by_what_is_resident() -> None:
    """They take a hundredth of the time; the charge that is recorded has no step where they begin."""
    workers = Workers()
    memory = workers.memory(1000)
    read = []
    for _ in range(10):
        read.append(memory.read(1))
        workers.now_s += 0.1
        workers.resident += 1
    assert read == list(range(60, 70))
    assert workers.exact_readings == 1
    workers.now_s += 0.02 / EXACT_SHARE
    workers.exact = 300
    assert memory.read(1) == 300
    assert workers.exact_readings == 2


def test_workers_that_fork_are_read_exactly_before_a_kill() -> None:
    """The last exact reading knows nothing of what they share; memory that is their own is killed for."""
    workers = Workers()
    killed: list[int] = []
    life = WatchdogLife(200, workers.memory(200), kill=killed.append)
    assert life.check(1) is True
    workers.workers, workers.resident = 20, 700
    assert life.check(1) is True
    assert (life.counters().peak_bytes, workers.exact_readings) == (60, 2)
    workers.resident, workers.exact = 900, 201
    assert life.check(1) is False
    assert (killed, life.counters()) == ([1], Counters(peak_bytes=201, watchdog_kills=1))


def test_memory_that_is_not_ours_to_read_exactly_is_taken_as_it_is_resident() -> None:
    """An upper bound: the limit holds."""
    workers = Workers()
    workers.exact = None
    assert workers.memory(1000).read(1) == 400


def test_workers_that_leave_or_come_are_read_exactly() -> None:
    """What the others share is another then: with two of ten left, less than nothing would be in use."""
    workers = Workers()
    memory = workers.memory(1000)
    assert memory.read(1) == 60
    workers.now_s += 0.02 / CHANGED_SHARE
    workers.workers, workers.resident, workers.exact = 2, 80, 50
    assert memory.read(1) == 50
    workers.now_s += 0.02 / CHANGED_SHARE
    workers.workers, workers.resident, workers.exact = 10, 400, 60
    assert memory.read(1) == 60
    workers.now_s += 0.02 / CHANGED_SHARE
    assert (memory.read(1), workers.exact_readings) == (60, 3)


def test_commands_that_come_and_go_take_a_tenth_of_the_time() -> None:
    """As where each request starts one: an exact reading slows the service. Memory is that of the largest at least."""
    workers = Workers()
    memory = workers.memory(1000)
    read = []
    for number in range(200):
        workers.workers = 2 + number % 2
        workers.resident = 40 * workers.workers
        read.append(memory.read(1))
        workers.now_s += 0.05
    assert min(read, key=lambda one: one or 0) == 40
    assert 0.02 * workers.exact_readings <= CHANGED_SHARE * workers.now_s


def test_pages_that_workers_write_to_are_killed_for_within_a_second() -> None:
    """What is resident stays the same, as a page that was shared is copied; below the limit nothing can be missed."""
    workers = Workers()
    killed: list[int] = []
    life = WatchdogLife(200, workers.memory(200), kill=killed.append)
    assert life.check(1) is True
    workers.exact = 250
    workers.now_s += ABOVE_EVERY_S / 2
    assert life.check(1) is True
    workers.now_s += ABOVE_EVERY_S / 2
    assert life.check(1) is False
    assert (killed, life.counters().peak_bytes) == ([1], 250)
    small = Workers()
    life = WatchdogLife(500, small.memory(500), kill=killed.append)
    for _ in range(20):
        assert life.check(1) is True
        small.now_s += 0.05
    assert small.exact_readings == 1
