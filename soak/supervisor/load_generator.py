"""Locust and its workers: started, sent orders, read, looked after."""

from __future__ import annotations

from typing import Final

from soak import contract
from soak.contract.tail import LineTail
from soak.errors import CutShortError, HarnessError, UsageError
from soak.plan.run_plan import RunPlan
from soak.process.child import Child, describe_exit
from soak.process.log import last_words
from soak.process.procfs import rss_bytes
from soak.supervisor.session import Session

MEMORY_BYTES: Final = 1 << 30
"""Resident memory of a Locust process from which on the load is ended. Set on the rogue answers of the load tests: with
bounded clients a process stays below 0.3 GiB."""
ANSWERS: Final = (contract.TRAFFIC_READY, contract.LOAD_BEGAN, contract.LOAD_ENDED)
"""Beginnings of the lines of Locust that are kept until they are asked for."""


class LoadGenerator:
    """The processes that send the load. Orders go to Locust's standard input, its answers are lines of its log."""

    def __init__(self, plan: RunPlan, session: Session) -> None:
        self._plan = plan
        self._session = session
        self._log = LineTail(session.logs / f"{plan.locust.name}.log")
        self._lines: list[str] = []
        self.locust: Child | None = None
        """Locust, the master of its workers; None before its start. It is stopped first: it stops them."""
        self.workers: list[Child] = []
        """The workers that run."""

    def start(self) -> Child:
        """Start all of them; return Locust, which gets ready when its workers are there."""
        self.locust = self._session.start_child(self._plan.locust, stdin=True)
        self.workers += [self._session.start_child(worker, stdin=True) for worker in self._plan.workers]
        return self.locust

    def is_ready(self) -> bool:
        """Whether Locust has printed that it can begin."""
        return self.next_line(contract.TRAFFIC_READY) is not None

    def send_line(self, line: str) -> None:
        """Give Locust an order."""
        if self.locust is not None:
            self.locust.send_line(line)

    def end_load(self) -> None:
        """End the load before its time; what is in flight still ends."""
        if self.locust is not None:
            self.locust.close_input()

    def next_line(self, beginning: str) -> str | None:
        """Return the rest of the next line with that beginning, once; None when Locust has not printed it."""
        self._read_output()
        for number, line in enumerate(self._lines):
            if line.startswith(beginning):
                del self._lines[: number + 1]
                return line.removeprefix(beginning).strip()
        self._lines.clear()
        return None

    def poll(self, phase: str, *, starting: bool, over: bool) -> None:
        """Notice which of them has ended; the load is ``over`` when Locust may have.

        Raises CutShortError without Locust or when one of them takes too much memory, and while ``starting``
        HarnessError without one of the workers.
        """
        self._read_output()  # before its log is cut
        for child in (self.locust, *self.workers):
            if child is None or child.poll() is not None:
                continue
            child.cap_log()
            if (used := rss_bytes(child.pid) or 0) > MEMORY_BYTES:
                raise CutShortError(
                    f"{child.spec.name} (pid {child.pid}) of Locust has {used / MEMORY_BYTES:.1f} GiB of resident "
                    f"memory in phase {phase}, its limit is 1 GiB. Fix what its users keep: only answers to HttpUser "
                    "and FastHttpUser are bounded"
                )
        for worker in tuple(self.workers):
            if (code := worker.poll()) is not None:
                # its share is missing from here on: the load check finds that
                self._session.stop_children((worker,))
                self.workers.remove(worker)
                if starting:
                    self.check_locustfile(worker, code)
                    raise HarnessError(
                        f"{worker.spec.name} ended ({describe_exit(code)}). The last lines of {worker.log}:",
                        last_words(worker.log),
                    )
        loading = phase in (contract.IDLE, contract.WARMUP, contract.LOAD)
        if loading and self.locust is not None and (code := self.locust.poll()) is not None:
            if code == 0 and over:
                return  # it was done a moment before the planned end by our own clock
            log = self.locust.log
            raise CutShortError(f"Locust ended in phase {phase} ({describe_exit(code)}); its log is {log}")

    def check_locustfile(self, child: Child, code: int) -> None:
        """Raise UsageError when one of these ended before it was ready and the load is a custom locustfile's."""
        if self._plan.profile.traffic.locustfile is not None:
            raise UsageError(
                f"{child.spec.name} ended ({describe_exit(code)}). Fix traffic.locustfile: Locust has to load it, and "
                f"find users in it. The last lines of {child.log}:",
                last_words(child.log),
            )

    def _read_output(self) -> None:
        """Read what Locust has printed since."""
        for line in self._log.new_lines():
            if line == contract.STATS_RESET:
                self._session.events.record("stats_reset")
            elif line.startswith(contract.WORKER_LOST):
                self._session.events.record("worker_lost", line.removeprefix(contract.WORKER_LOST).strip())
            elif line.startswith(ANSWERS):
                self._lines.append(line)
