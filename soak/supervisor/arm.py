"""One arm through its lives: started under its limit, sampled, dead and restarted, and led down the quiesce ladder."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from soak import contract
from soak.config.profile import LimitSettings
from soak.contract.clock import RunClock
from soak.errors import UsageError
from soak.limit import LifeLimit, LimitMechanism, who_ended
from soak.limit.base import Counters, Unlimited
from soak.plan.run_plan import ArmPlan
from soak.process.child import Child, describe_exit
from soak.process.guard import Guard
from soak.process.log import last_words
from soak.process.readiness import what_failed
from soak.recording.events import EventLog
from soak.sampling.probe_client import ProbeClient, ProbeError
from soak.sampling.process_tree import Workers
from soak.sampling.sampler import CENSUS_TIMEOUT_S, Sampler
from soak.sampling.target import Target

READY_EVERY_S = 0.1
SETTLE_S = 0.5
"""Between the rungs of the quiesce ladder."""


@dataclass(slots=True)
class Life:
    """One process of the arm that we started; those below it are its workers."""

    number: int
    child: Child
    limit: LifeLimit
    probe: ProbeClient
    started_s: float
    next_try_s: float
    workers: Workers | None = None
    """None until it is ready."""
    worker_kills: int = 0
    """Of the limit's kills, those that ended a worker."""

    @property
    def ready(self) -> bool:
        """Whether it has answered."""
        return self.workers is not None


class ArmRun:
    """The lives of one arm. All but the sampler's ticks and points happens on the main thread."""

    def __init__(
        self,
        plan: ArmPlan,
        settings: LimitSettings,
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
        self._lives = 0
        self._restarts = 0
        self._restart_at_s: float | None = None
        self._points: list[threading.Thread] = []
        self._stop_sampling = threading.Event()
        self._thread = threading.Thread(
            target=sampler.run, args=[self._stop_sampling], name=f"sampler-{plan.name}"
        )

    def start(self) -> None:
        """Start the next life."""
        self._next_life()
        if self._restart_at_s is not None:
            self._restarts += 1
            self._events.record("restart", arm=self.name, life=self._lives)
        self._restart_at_s = None
        limit: LifeLimit = Unlimited()
        if self._settings.memory is not None:
            limit = self._mechanism.life(
                f"soakproof-{self._run_id}-{self.name}-{self._lives}", self._settings.memory
            )
        child = Child(self._spec, self._log, self._guard, limit.procs)
        limit.watch(child.pid)
        now = self._clock.now_s()
        self.life = Life(
            self._lives,
            child,
            limit,
            ProbeClient(self._probe_directory, child.pid),
            started_s=now,
            next_try_s=now,
        )
        self._record("start", "", self.life)

    def look(self) -> None:
        """Notice death, readiness and the time to restart; never blocks for longer than one readiness try."""
        now = self._clock.now_s()
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
                self._give_up(life, f"{what_failed(self._spec.ready, self._spec.url)} {waited}")
        elif life.workers is not None:
            life.workers.look(now)
        life.child.cap_log()

    @property
    def starts(self) -> int:
        """How often the arm was started; its workers are not counted."""
        return self._restarts + 1

    def begin_sampling(self) -> None:
        """Start the sampler's thread."""
        self._thread.start()

    def take_point(self, by_s: float) -> None:
        """Have the arm collected and read, in a thread of its own: no arm waits for another, and the run for none."""
        point = threading.Thread(target=self.sampler.point, args=[by_s], name=f"point-{self.name}")
        self._points = [*filter(threading.Thread.is_alive, self._points), point]
        point.start()

    def quiesce(self) -> Iterator[str]:
        """Walk the ladder, yielding each rung once its row is written: drained; collected; trimmed.

        Each drop says what held the memory. A target that no longer answers is left at the rung it reached.
        """
        life = self.life
        if life is None or not life.ready:
            return
        for rung, op in zip(contract.RUNGS, ("", "collect", "trim"), strict=True):
            probed = {target.pid: target.probe for target in self.sampler.targets if target.probed}
            try:
                if op and probed:
                    for probe in probed.values():
                        probe.ask(op, CENSUS_TIMEOUT_S)
                    time.sleep(SETTLE_S)  # freed pages leave the resident set a moment later
            except ProbeError as error:
                self.sampler.gaps.missed(op, str(error))
                return
            rows = self.sampler.tick(rung, exact=True)
            if not rows or any(row["pid"] in probed and row.get("probe_ms") is None for row in rows):
                return
            yield rung

    def stop(self) -> None:
        """End the present life, the sampling, and every hold on the machine. Idempotent."""
        self._restart_at_s = None
        self._stop_sampling.set()
        self._end_life()  # first: a sampler that waits for a frozen target is free once its socket closes
        for thread in (self._thread, *self._points):
            if thread.is_alive():
                thread.join()

    def check_started(self) -> None:
        """Raise UsageError when the first life failed to get ready: the command is at fault."""
        if self.given_up:
            raise UsageError(
                f"{self.name}: {self.given_up}. Fix arms.{self.name}.command or .ready in the profile. "
                f"The last lines of {self._log}:\n{last_words(self._log)}"
            )

    def _welcome(self, life: Life) -> None:
        now = self._clock.now_s()
        self._record("ready", f"after {now - life.started_s:.1f} s", life)
        life.workers = Workers(
            Target(self.name, life.child.pid, life.number, life.limit, life.probe),
            self.sampler,
            self._events,
            next_life=self._next_life,
            probe_of=lambda pid: ProbeClient(self._probe_directory, pid),
            killer=lambda: self._killer_of_worker(life),
        )
        life.workers.look(now, at_once=True)
        if self._restarts:
            self.sampler.tick()  # what a restart begins with, before the traffic that goes on changes it

    def _next_life(self) -> int:
        self._lives += 1
        return self._lives

    def _killer_of_worker(self, life: Life) -> str:
        """Say who ended a worker: each kill of the limit that no other death explains is one."""
        if (life.limit.counters().oom_kills or 0) > life.worker_kills:
            life.worker_kills += 1
            self.oom_kills += 1
            return "kernel"
        return "unknown"

    def _end_life(self) -> None:
        if self.life is not None:
            asked = self.life.child.poll() is None
            self._bury(self.life, self.life.child.stop(), asked=asked)

    def _bury(self, life: Life, code: int, *, asked: bool) -> None:
        """The life is over: say what ended it, keep its counters, plan the next one."""
        self.life = None
        counters = life.limit.counters()
        by = who_ended(code, _without(counters, life.worker_kills), asked=asked)
        self.oom_kills += by in contract.OOM_KILLERS
        self._record("exit", describe_exit(code), life, by=by)
        if life.workers is not None:
            life.workers.end(by)
        self._record("limit", json.dumps(asdict(counters)), life)
        life.probe.close()
        life.limit.close()
        if asked:
            return
        if not life.ready:
            self._give_up(life, f"it ended before it was ready ({describe_exit(code)})")
        elif self._restarts >= self._settings.max_restarts:
            self._give_up(
                life, f"it ended after {self._settings.max_restarts} restarts, the most that are allowed"
            )
        else:
            self._restart_at_s = self._clock.now_s() + self._settings.restart_delay_s

    def _give_up(self, life: Life, reason: str) -> None:
        self.given_up = reason
        self._record("given_up", reason, life)
        self._end_life()

    def _record(self, event: str, detail: str, life: Life, by: str = "") -> None:
        self._events.record(event, detail, arm=self.name, life=life.number, pid=life.child.pid, by=by)


def _without(counters: Counters, worker_kills: int) -> Counters:
    """Return the counters without the kills that ended workers."""
    return (
        counters
        if counters.oom_kills is None
        else replace(counters, oom_kills=counters.oom_kills - worker_kills)
    )
