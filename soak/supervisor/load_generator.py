"""Locust and its workers: started, spoken with, looked after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from soak import contract
from soak.contract.tail import LineTail
from soak.errors import CutShortError, HarnessError, UsageError
from soak.plan.run_plan import RunPlan
from soak.process.child import Child, describe_exit
from soak.process.log import last_words
from soak.process.spec import ProcessSpec
from soak.recording.events import EventLog


class StartChild(Protocol):
    """Starts a process and records that."""

    def __call__(self, spec: ProcessSpec, *, stdin: bool = False) -> Child: ...  # noqa: D102


class LoadGenerator:
    """The processes that send the load. Orders go to Locust's standard input, its answers are lines of its log."""

    def __init__(
        self, plan: RunPlan, logs: Path, events: EventLog, stop_child: Callable[[Child], None]
    ) -> None:
        self._plan = plan
        self._events = events
        self._stop_child = stop_child
        self._log = LineTail(logs / f"{plan.locust.name}.log")
        self._lines: list[str] = []
        self._locust: Child | None = None
        self._workers: list[Child] = []

    @property
    def children(self) -> tuple[Child, ...]:
        """Those that run, Locust last: it is to be stopped first, since it tells its workers."""
        return (*self._workers, *(() if self._locust is None else (self._locust,)))

    def start(self, start_child: StartChild) -> Child:
        """Start all of them; return Locust, which gets ready when its workers are there."""
        self._locust = start_child(self._plan.locust, stdin=True)
        self._workers += [start_child(worker, stdin=True) for worker in self._plan.workers]
        return self._locust

    def is_ready(self) -> bool:
        """Return whether Locust has said that it can begin."""
        return self.said(contract.TRAFFIC_READY) is not None

    def tell(self, line: str) -> None:
        """Give Locust an order."""
        if self._locust is not None:
            self._locust.tell(line)

    def hang_up(self) -> None:
        """End the load before its time; what is in flight still ends."""
        if self._locust is not None:
            self._locust.hang_up()

    def said(self, beginning: str) -> str | None:
        """Return the rest of the next line with that beginning, once; None when Locust has not printed it."""
        self.hear()
        for number, line in enumerate(self._lines):
            if line.startswith(beginning):
                del self._lines[: number + 1]
                return line.removeprefix(beginning).strip()
        self._lines.clear()
        return None

    def hear(self) -> None:
        """Read what Locust has printed since."""
        for line in self._log.new_lines():
            if line == contract.STATS_RESET:
                self._events.record("stats_reset")
            else:
                self._lines.append(line)

    def look(self, phase: str, *, starting: bool, over: bool) -> None:
        """Notice who has ended; the load is ``over`` when Locust may have.

        Raises CutShortError without Locust, and while ``starting`` HarnessError without one of the workers.
        """
        for child in self.children:
            child.cap_log()
        for worker in self._workers:
            if (code := worker.poll()) is not None:
                self._stop_child(worker)  # its share is missing from here on: the load check sees that
                self._workers.remove(worker)
                if starting:
                    self.check_custom_locustfile(worker, code)
                    raise HarnessError(
                        f"{worker.spec.name} ended ({describe_exit(code)}). The last lines of {worker.log}:\n"
                        f"{last_words(worker.log)}"
                    )
                break
        loading = phase in (contract.IDLE, contract.WARMUP, contract.LOAD)
        if loading and self._locust is not None and (code := self._locust.poll()) is not None:
            if code == 0 and over:
                return  # it was done a moment before our own clock said so
            log = self._locust.log
            raise CutShortError(f"Locust ended in phase {phase} ({describe_exit(code)}); its log is {log}")

    def check_custom_locustfile(self, child: Child, code: int) -> None:
        """Raise UsageError when a process of a custom locustfile ended before it was ready."""
        if self._plan.profile.traffic.locustfile is not None:
            raise UsageError(
                f"{child.spec.name} ended ({describe_exit(code)}). Fix traffic.locustfile: Locust has to load it, and "
                f"find users in it. The last lines of {child.log}:\n{last_words(child.log)}"
            )
