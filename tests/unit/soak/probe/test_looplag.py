from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
from soak_probe import looplag

from tests.support.planted_tasks import PlantedTask, reference


class PlantedLoop:
    """Keeps what is scheduled until the test runs it."""

    def __init__(self) -> None:
        self.running = True
        self.closed = False
        self.scheduled: list[Callable[[], None]] = []

    def is_running(self) -> bool:
        return self.running

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.scheduled.append(callback)

    def run(self) -> None:
        self.scheduled.pop()()


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class TestLoopLag:
    def test_the_delay_of_a_callback_is_reported(self) -> None:
        """A callback that ran 5 ms after it was scheduled is a lag of 5 ms, whenever it is asked for."""
        clock, loop = Clock(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(PlantedTask(loop=loop))]
        assert lag.read_ms(seen) is None
        clock.now_s += 0.005
        loop.run()
        clock.now_s += 1
        assert lag.read_ms(seen) == pytest.approx(5)

    def test_a_blocked_loop_shows_a_growing_lag(self) -> None:
        """While the loop is blocked the lag grows with the time, and one callback waits, not one per reading."""
        clock, loop = Clock(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(PlantedTask(loop=loop))]
        lag.read_ms(seen)
        readings = []
        for _ in range(3):
            clock.now_s += 1
            readings.append(lag.read_ms(seen))
        assert readings == pytest.approx([1000, 2000, 3000])
        assert len(loop.scheduled) == 1

    def test_another_loop_is_found_when_the_first_has_ended(self) -> None:
        """A loop that has stopped is left for one that runs; what waits in the first is forgotten."""
        clock, first, second = Clock(), PlantedLoop(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(None), reference(PlantedTask(loop=first)), reference(PlantedTask(loop=second))]
        lag.read_ms(seen)
        first.running = False
        clock.now_s += 7
        assert lag.read_ms(seen) is None
        clock.now_s += 0.25
        second.run()
        assert lag.read_ms(seen) == pytest.approx(250)

    def test_no_running_loop_is_no_lag(self) -> None:
        """Without a running loop, or with one that closes at this moment, there is no figure."""
        stopped, closed = PlantedLoop(), PlantedLoop()
        stopped.running = False
        closed.closed = True
        assert looplag.LoopLag().read_ms([]) is None
        assert looplag.LoopLag().read_ms([reference(PlantedTask(loop=stopped))]) is None
        lag = looplag.LoopLag()
        assert [lag.read_ms([reference(PlantedTask(loop=closed))]) for _ in range(2)] == [None, None]

    def test_the_loop_is_not_kept_alive(self) -> None:
        """A loop that the target dropped is gone for the probe too."""
        lag = looplag.LoopLag()
        loop = PlantedLoop()
        lag.read_ms([reference(PlantedTask(loop=loop))])
        kept = weakref.ref(loop)
        loop.scheduled.clear()
        del loop
        assert kept() is None
