"""The threads in which an arm is sampled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import Thread

from soak.sampling.ticks import Ticks


class SamplingThreads:
    """One thread that samples an arm at each tick, and one for each other work: no arm waits for another."""

    def __init__(self, sampler: Ticks, thread: Callable[..., Thread] = Thread) -> None:
        self._sampler = sampler
        self._new_thread = thread
        self._stop = threading.Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin to sample at each tick."""
        self._start("sampler", self._sampler.run, self._stop)

    def start_work(self, name: str, work: Callable[..., object], *arguments: object) -> None:
        """Have a work of the sampler done once, beside its ticks."""
        self._start(name, self._sampler.kept, work, *arguments)

    def stop(self) -> None:
        """Ask the threads to end; one that asks a frozen target ends once that is gone. Idempotent."""
        self._stop.set()

    @property
    def running(self) -> tuple[Thread, ...]:
        """The threads that have not ended."""
        return tuple(thread for thread in self._threads if thread.is_alive())

    def _start(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        # a daemon: nothing waits for one that asks a target without end
        thread = self._new_thread(
            target=target, args=arguments, name=f"{name}-{self._sampler.arm}", daemon=True
        )
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        thread.start()
