"""One arm through its lives: started under its limit, sampled, dead and restarted, and led down the quiesce ladder."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from soak import contract
from soak.config import Limit
from soak.errors import UsageError
from soak.guard import Guard
from soak.limit import LifeLimit, LimitMechanism, who_ended
from soak.limit.base import Unlimited
from soak.plan import ArmPlan
from soak.probe_client import ProbeClient, ProbeError
from soak.process import Child, describe_exit, last_words
from soak.procfs import descendants
from soak.recording import EventLog, RunClock
from soak.sampler import CENSUS_TIMEOUT_S, Sampler, Target

READY_EVERY_S = 0.1
MEMORY_KILLERS = frozenset({"kernel", "systemd-oomd", "watchdog"})
SETTLE_S = 0.5
"""Between the rungs of the quiesce ladder."""


@dataclass(slots=True)
class Life:
    """One process of the arm."""

    number: int
    child: Child
    limit: LifeLimit
    probe: ProbeClient
    started_s: float
    next_try_s: float
    ready: bool = False


class ArmRun:
    """The lives of one arm. All but the sampler's ticks happens on the main thread."""

    def __init__(
        self,
        plan: ArmPlan,
        settings: Limit,
        mechanism: LimitMechanism,
        *,
        guard: Guard,
        clock: RunClock,
        events: EventLog,
        sampler: Sampler,
        run_id: str,
        log: Path,
        probe_directory: Path,
    ) -> None:
        self.name = plan.name
        self.sampler = sampler
        self.given_up = ""
        self.oom_kills = 0
        self.life: Life | None = None
        self._spec = plan.process
        self._settings = settings
        self._mechanism = mechanism
        self._guard = guard
        self._clock = clock
        self._events = events
        self._run_id = run_id
        self._log = log
        self._probe_directory = probe_directory
        self.lives = 0
        self._restart_at_s: float | None = None
        self._stop_sampling = threading.Event()
        self._thread = threading.Thread(
            target=sampler.run, args=[self._stop_sampling], name=f"sampler-{plan.name}"
        )

    def start(self) -> None:
        """Start the next life."""
        self.lives += 1
        if self._restart_at_s is not None:
            self._events.record("restart", arm=self.name, life=self.lives)
        self._restart_at_s = None
        limit: LifeLimit = Unlimited()
        if self._settings.memory is not None:
            limit = self._mechanism.life(
                f"soakproof-{self._run_id}-{self.name}-{self.lives}", self._settings.memory
            )
        child = Child(self._spec, self._log, self._guard, limit.procs)
        limit.watch(child.pid)
        now = self._clock.t()
        self.life = Life(
            self.lives,
            child,
            limit,
            ProbeClient(self._probe_directory, child.pid),
            started_s=now,
            next_try_s=now,
        )
        self._record("start", "", self.life)

    def look(self) -> None:
        """Notice death, readiness and the time to restart; never blocks for longer than one readiness try."""
        now = self._clock.t()
        if self._restart_at_s is not None and now >= self._restart_at_s:
            self.start()
        life = self.life
        if life is None:
            return
        code = life.child.poll()
        if code is not None:
            self._bury(life, code, asked=False)
        elif not life.ready and now >= life.next_try_s:
            life.next_try_s = now + READY_EVERY_S
            if life.child.answers():
                self._welcome(life)
            elif now - life.started_s > self._spec.ready_timeout_s:
                waited = f"within {self._spec.ready_timeout_s:g} s"
                self._give_up(life, f"{self._spec.url}{self._spec.ready_path} did not answer {waited}")
        life.child.cap_log()

    def begin_sampling(self) -> None:
        """Start the sampler's thread."""
        self._thread.start()

    def quiesce(self) -> Iterator[str]:
        """Walk the ladder, yielding each rung: row and census; collect, row, census; trim, row, census.

        Each drop says what held the memory. A target that no longer answers is left at the rung it reached.
        """
        life = self.life
        if life is None or not life.ready:
            return
        self._record_unsampled(life)
        for rung, op in zip(contract.RUNGS, ("", "collect", "trim"), strict=True):
            try:
                if op and life.probe.exists:
                    life.probe.ask(op, CENSUS_TIMEOUT_S)
                    time.sleep(SETTLE_S)  # freed pages leave the resident set a moment later
            except ProbeError as error:
                self.sampler.gaps.missed(op, str(error))
                return
            row = self.sampler.tick(rung, exact=True)
            if row is None or (life.probe.exists and row.get("probe_ms") is None):
                return
            self.sampler.take_census(rung)
            yield rung

    def stop(self) -> None:
        """End the present life, the sampling, and every hold on the machine. Idempotent."""
        self._restart_at_s = None
        self._stop_sampling.set()
        self._end_life()  # first: a sampler that waits for a frozen target is free once its socket closes
        if self._thread.is_alive():
            self._thread.join()

    def check_started(self) -> None:
        """Raise UsageError when the first life failed to get ready: the command is at fault."""
        if self.given_up:
            raise UsageError(
                f"{self.name}: {self.given_up}. Mend arms.{self.name}.command or .ready in the profile. "
                f"The last lines of {self._log}:\n{last_words(self._log)}"
            )

    def _welcome(self, life: Life) -> None:
        life.ready = True
        self.sampler.target = Target(self.name, life.child.pid, life.number, life.limit, life.probe)
        self._record("ready", f"after {self._clock.t() - life.started_s:.1f} s", life)
        self._record_unsampled(life)
        if life.number > 1:
            self.sampler.tick()  # what a restart begins with, before the traffic that goes on changes it

    def _record_unsampled(self, life: Life) -> None:
        """Say so when the process has children: what leaks in them is not seen."""
        if children := descendants(life.child.pid):
            self._record("unsampled", f"{len(children)} processes below pid {life.child.pid}", life)

    def _end_life(self) -> None:
        if self.life is not None:
            asked = self.life.child.poll() is None
            self._bury(self.life, self.life.child.stop(), asked=asked)

    def _bury(self, life: Life, code: int, *, asked: bool) -> None:
        """The life is over: say what ended it, keep its counters, plan the next one."""
        self.life = None
        self.sampler.target = None
        counters = life.limit.counters()
        by = who_ended(code, counters, asked=asked)
        self.oom_kills += by in MEMORY_KILLERS
        self._record("exit", describe_exit(code), life, by=by)
        self._record("limit", json.dumps(asdict(counters)), life)
        life.probe.close()
        life.limit.close()
        if asked:
            return
        if not life.ready:
            self._give_up(life, f"it ended before it was ready ({describe_exit(code)})")
        elif life.number > self._settings.max_restarts:
            self._give_up(
                life, f"it ended after {self._settings.max_restarts} restarts, the most that are allowed"
            )
        else:
            self._restart_at_s = self._clock.t() + self._settings.restart_delay_s

    def _give_up(self, life: Life, reason: str) -> None:
        self.given_up = reason
        self._record("given_up", reason, life)
        self._end_life()

    def _record(self, event: str, detail: str, life: Life, by: str = "") -> None:
        self._events.record(event, detail, arm=self.name, life=life.number, pid=life.child.pid, by=by)
