"""The ticks of one arm: on a grid that does not drift, in a thread whose failure the run asks for."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from soak.contract import IDLE
from soak.contract.clock import RunClock
from soak.errors import HarnessError, SoakError
from soak.recording.csv_writer import CsvWriter, Row
from soak.recording.events import EventLog
from soak.sampling.gaps import Gaps
from soak.sampling.row import ArmRow


class Ticks(ABC):
    """Samples one arm at each tick; what there is to read, a sampler knows."""

    def __init__(
        self, arm: str, clock: RunClock, events: EventLog, samples: CsvWriter, *, every_s: float
    ) -> None:
        self.arm = arm
        self.phase = IDLE
        self.latest: Mapping[str, object] = {}
        self.first_after_s = 0.0
        """Seconds that ``run`` waits before all else."""
        self.failure: SoakError | None = None
        self.gaps = Gaps(lambda detail: events.record("gap", detail, arm=arm))
        self._clock = clock
        self._events = events
        self._samples = samples
        self._every_s = every_s
        self._last_t_s = -math.inf
        self._arm_row = ArmRow()

    @abstractmethod
    def tick(self) -> tuple[Row, ...]:
        """Write one row of each process of the arm, and return them."""

    @abstractmethod
    def _get_ready(self) -> None:
        """Do what the first tick would be late for."""

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop``, from ``first_after_s`` on; an error of our own ends it and waits in ``failure``."""
        stop.wait(self.first_after_s)
        self.kept(self._get_ready)
        due = self._clock.now_s()
        while self.failure is None and not stop.wait(max(0.0, due - self._clock.now_s())):
            with self._failure_kept():
                self.tick()
                due = self.next_due(due)

    def kept(self, work: Callable[..., object], *arguments: object) -> None:
        """Do a work of this sampler in a thread; an error of our own waits in ``failure``."""
        with self._failure_kept():
            work(*arguments)

    @contextmanager
    def _failure_kept(self) -> Iterator[None]:
        try:
            yield
        except SoakError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - a defect must end the run, not this thread in silence
            self.failure = HarnessError(f"the sampler of {self.arm} failed: {type(error).__name__}: {error}")

    def next_due(self, due: float) -> float:
        """Return the next tick on the grid; ticks that passed while we read are a counted gap."""
        late = int((self._clock.now_s() - due) / self._every_s)
        if late:
            self.gaps.missed("tick", f"reading took {self._clock.now_s() - due:.1f} s", late)
        else:
            self.gaps.read("tick")
        return due + (late + 1) * self._every_s

    def _next_t_s(self) -> float:
        """Return the ``t_s`` of a row that is read now: later than that of the one before."""
        # in milliseconds, as it is written: a restart and the grid may ask for a row in the same one
        self._last_t_s = max(self._clock.now_s(), self._last_t_s + 0.001)
        return self._last_t_s


class SlowReadings:
    """When readings are due that take a ``share`` of the time at most; ``what`` they are, for people.

    They are due each ``every_s`` seconds, or less often, by what the last one took, but at least each ``most_s``; ticks
    are ``tick_s`` apart. ``report`` gets a sentence when they become less often.
    """

    def __init__(
        self,
        what: str,
        every_s: float,
        share: float,
        tick_s: float,
        report: Callable[[str], None],
        *,
        most_s: float = math.inf,
    ) -> None:
        self._what = what
        self._every_s = every_s
        self._share = share
        self._tick_s = tick_s
        self._report = report
        self._most_s = most_s
        self._next_s = 0.0
        self._longest_s = every_s
        """The longest time between two readings so far, seconds; half as much again is reported."""

    def due(self, t_s: float) -> bool:
        """Whether they are to be read at ``t_s``."""
        return t_s >= self._next_s

    def took(self, t_s: float, cpu_s: float) -> None:
        """Note that the reading at ``t_s`` took ``cpu_s`` seconds of processor time."""
        wait_s = min(max(self._every_s, cpu_s / self._share), self._most_s)
        # half a tick early: the tick that they are due at may be
        self._next_s = t_s if wait_s <= self._tick_s else t_s + wait_s - self._tick_s / 2
        if wait_s > 1.5 * self._longest_s:
            self._longest_s = wait_s
            self._report(
                f"{self._what} each {wait_s:.0f} s, not each {self._every_s:g} s: "
                f"they take {cpu_s:.2f} s of processor time"
            )
