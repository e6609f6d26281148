"""One arm through its lives: started under its limit, sampled, dead and restarted, and led down the quiesce ladder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

from soak import contract
from soak.config.profile import LimitSettings
from soak.contract import OOM_KILLERS
from soak.errors import UsageError
from soak.limit.base import LifeLimit, LimitMechanism
from soak.limit.counted_kills import CountedKills
from soak.plan.arm_plan import ArmPlan
from soak.plan.ports import check_port
from soak.plan.quiesce_points import QuiescePoint
from soak.process.child import Running
from soak.process.log import last_words
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.sampling.process_tree import ProcessTree
from soak.sampling.sampler import EXACT_TIMEOUT_S, Sampler, charged_bytes
from soak.sampling.target import Target
from soak.sampling.threads import SamplingThreads
from soak.status.model import ArmStatus
from soak.supervisor.session import Session
from soak.supervisor.starting import starter, what_to_fix, why_no_probe

TRY_READY_EVERY_S = 0.1
"""Time between two tries whether an arm is ready, seconds."""
SETTLE_S = 0.5
"""Time from a collect or a trim to its reading, seconds: freed pages leave the resident set a moment later."""


@dataclass(slots=True)
class RunningLife:
    """One process or container of the arm that we started; the processes below its first one are its workers."""

    number: int
    child: Running
    limit: LifeLimit
    kills: CountedKills
    started_s: float
    next_try_s: float
    pid: int | None = None
    """Its first process; None until that is known."""
    target: Target | None = None
    """That process as it is sampled; None until it is ready."""
    tree: ProcessTree | None = None
    """The processes below it; None until it is ready."""
    asked: bool = False
    """Whether we asked it to end."""
    kill_at_s: float | None = None
    """When it is killed, because it did not get ready, ``t_s``; None: it has time to get ready, or is."""

    @property
    def ready(self) -> bool:
        """Whether it has answered."""
        return self.tree is not None


class ArmRun:
    """The lives of one arm. All but the sampler's ticks and points happens on the main thread."""

    def __init__(
        self,
        plan: ArmPlan,
        limit: LimitSettings,
        mechanism: LimitMechanism,
        session: Session,
        sampler: Sampler,
        probe_directory: Path,
    ) -> None:
        self.name = plan.name
        self.is_copy = plan.injected is not None
        """Whether it is the copy of the candidate into which a leak is injected."""
        self.sampler = sampler
        self.threads = SamplingThreads(sampler, session.machine.thread)
        self.not_restarted: str | None = None
        """Why a dead arm stays dead; None while it lives or will be restarted."""
        self.oom_kills = 0
        self.starts = 1
        """How often the arm was started; its workers are not counted."""
        self._life: RunningLife | None = None
        self._spec = plan.process
        self._limit = limit
        self._start_life = starter(plan, limit.memory, mechanism, session)
        self._is_container = plan.container is not None
        self._session = session
        self._clock, self._events = session.clock, session.events
        self._log = session.logs / f"{plan.name}.log"
        self._probe_directory = probe_directory
        self._lives = 0
        self._restart_at_s: float | None = None
        self._last: Running | None = None
        """What the last life was, which may still be going; None before there was one."""

    @property
    def up(self) -> bool:
        """Whether it is ready to answer."""
        return self._life is not None and self._life.ready

    @property
    def status(self) -> ArmStatus:
        """The arm at this moment."""
        starting = not self.up and (self._life is not None or not self._lives)
        sample, limit = self.sampler.latest, self._limit.memory
        return ArmStatus(self.name, self.starts, self.oom_kills, self.up, sample, limit, starting)

    @property
    def room_bytes(self) -> int | None:
        """Memory left to its limit by the newest reading, bytes; None without a limit, or where it is not known."""
        charged = charged_bytes(self.sampler.latest)
        return None if self._limit.memory is None or charged is None else int(self._limit.memory - charged)

    def start(self) -> None:
        """Start the next life; raises UsageError where the first one cannot be started, as when its port is taken."""
        restarts, number = self._restart_at_s is not None, self._next_life()
        self._restart_at_s = None
        if self._last is not None:
            self._last.leave()  # gone by now, so that the guard need not remove it
        try:
            check_port(self.name, self._spec.url)
            child, limit = self._start_life(number)
        except UsageError as error:
            if not restarts:
                raise
            self.not_restarted = str(error)
            self._events.record("not_restarted", str(error), arm=self.name, life=number)
            return
        if restarts:
            self.starts += 1
            self._events.record("restart", arm=self.name, life=number)
        now_s = self._clock.now_s()
        self._life = life = RunningLife(
            number, child, limit, CountedKills(limit), started_s=now_s, next_try_s=now_s
        )
        self._watch(life)
        self._record("start", child.detail, life)

    def poll(self) -> None:
        """Notice death, readiness and the time to restart; never blocks for longer than one readiness try."""
        now_s = self._clock.now_s()
        if self._restart_at_s is not None and now_s >= self._restart_at_s and self._is_gone():
            self.start()
        life = self._life
        if life is None:
            return
        code = life.child.poll()
        if code is not None:
            self._on_exit(life, code)
            return
        self._watch(life)
        if life.kill_at_s is not None:
            if now_s >= life.kill_at_s:
                life.child.kill()
        elif life.tree is not None:
            life.tree.poll(now_s)
            life.kills.look(now_s)
        elif now_s >= life.next_try_s:
            life.next_try_s = now_s + TRY_READY_EVERY_S
            with self._refusal(life):
                if life.pid is not None and life.child.is_ready():
                    self._on_ready(life, life.pid)
                elif now_s - life.started_s > self._spec.ready_timeout_s:
                    waited = f"within {self._spec.ready_timeout_s:g} s"
                    self._stay_dead(life, f"{life.child.what_failed()} {waited}")
        life.child.cap_log()

    def take_point(self, point: QuiescePoint) -> None:
        """Have the arm collected and read at a quiesce point, which has come; the run does not wait for it."""
        self.threads.start_work("point", self.sampler.point, point.end_s, point.is_rehearsal)

    def quiesce(self) -> Iterator[str]:
        """Walk the ladder, yielding each rung once its row is written: drained; collected; trimmed.

        Each drop shows what held the memory. A target that no longer answers is left at the rung it reached.
        """
        if not self.up:
            return
        for rung, op in zip(contract.RUNGS, (None, "collect", "trim"), strict=True):
            probed = [target for target in self.sampler.targets if target.probed]
            try:
                if op is not None and probed:
                    for target in probed:
                        target.ask(op, EXACT_TIMEOUT_S)
                    self._session.machine.sleep(SETTLE_S)
            except ProbeError as error:
                self.sampler.gaps.missed(str(op), str(error))
                return
            rows = self.sampler.tick(rung, exact=True)
            pids = {target.pid for target in probed}
            if not rows or any(row["pid"] in pids and row.get("probe_ms") is None for row in rows):
                return
            yield rung

    def start_naming(self, timeout_s: float) -> tuple[Thread, ...]:
        """Sample no more, and have the holders named within ``timeout_s`` seconds; return the threads to wait for."""
        self.threads.stop()
        self.threads.start_work("naming", self.sampler.name_holders, "", timeout_s)
        return self.threads.running

    def begin_stop(self) -> Running | None:
        """Restart and sample no more; return the process that is to be ended now, None where there is none."""
        self._restart_at_s = None
        self.threads.stop()
        if self._life is None:
            return None
        self._life.asked = self._life.asked or self._life.child.poll() is None
        return self._life.child

    def finish_stop(self) -> None:
        """Record the end of the life whose process was ended. Idempotent."""
        if self._life is not None:
            self._on_exit(self._life, self._life.child.leave())
        elif self._last is not None:
            self._last.leave()
        self._restart_at_s = None

    def check_started(self) -> None:
        """Raise UsageError when the first life did not get ready: the command is at fault."""
        if self.not_restarted is not None:
            fix = what_to_fix(self.name, is_container=self._is_container, is_copy=self.is_copy)
            raise UsageError(
                f"{self.name}: {self.not_restarted}. {fix}. The last lines of {self._log}:",
                last_words(self._log),
            )

    def _watch(self, life: RunningLife) -> None:
        """Have the limit watch the life's process, once that is known; a limit that is not the asked one is refused."""
        if life.pid is not None or life.asked:
            return
        with self._refusal(life):
            if (pid := life.child.sampled_pid) is not None:
                life.limit.watch(pid)
                life.pid = pid

    @contextmanager
    def _refusal(self, life: RunningLife) -> Iterator[None]:
        """Let the UsageError of a first life pass; a later one stays dead by it."""
        try:
            yield
        except UsageError as error:
            if self.starts == 1:
                raise
            self._stay_dead(life, str(error))

    def _is_gone(self) -> bool:
        """Whether nothing is left of the last life that the next one could meet."""
        return self._last is None or self._last.is_gone

    def _on_ready(self, life: RunningLife, pid: int) -> None:
        now_s = self._clock.now_s()
        probe = self._probe_of(pid)
        life.target = Target(self.name, pid, life.number, life.limit, probe)
        why = why_no_probe(pid, probe.missing) if self._is_container else ""
        lost = f"; no probe: {why}" if why else ""
        doubt = f"; {life.child.doubt}" if life.child.doubt else ""
        self._record("ready", f"after {now_s - life.started_s:.1f} s{lost}{doubt}", life)
        life.tree = ProcessTree(
            life.target,
            self.sampler,
            self._events,
            next_life=self._next_life,
            probe_of=self._probe_of,
            killer=lambda: self._killer_of_worker(life),
        )
        life.tree.poll(now_s, at_once=True)
        if self.is_copy and not any(target.has_probe for target in self.sampler.targets):
            self._session.progress.print_line(
                f"{self.name} has no probe: no leak can be injected, and sign-off will be refused; "
                "see docs/how-to/your-own-service.md, Control"
            )
        if self.starts > 1:
            # before the traffic that goes on changes it
            self.threads.start_work("restart", self.sampler.tick)

    def _probe_of(self, pid: int) -> ProbeClient:
        return ProbeClient(self._probe_directory, pid)

    def _next_life(self) -> int:
        self._lives += 1
        return self._lives

    def _killer_of_worker(self, life: RunningLife) -> str:
        by = life.kills.killer_of_worker()
        self.oom_kills += by in OOM_KILLERS
        return by

    def _on_exit(self, life: RunningLife, code: int) -> None:
        """Record what ended the life and its counters, and plan the next one."""
        self._life, self._last = None, life.child
        counters = life.limit.counters()
        by = life.kills.who_ended(code, counters, asked=life.asked)
        self.oom_kills += by in OOM_KILLERS
        self._record("exit", life.child.describe_exit(code), life, by=by)
        if life.tree is not None:
            life.tree.on_exit(by)
        self._record("limit", json.dumps(asdict(counters)), life)
        if life.target is not None:
            life.target.close()
        life.limit.close()
        if life.asked:
            return
        if not life.ready:
            killed = ", for its memory: raise limit.memory" if by in OOM_KILLERS else ""
            self._stay_dead(life, f"it ended before it was ready ({life.child.describe_exit(code)}{killed})")
        elif self.starts > self._limit.max_restarts:
            self._stay_dead(
                life, f"it ended after {self._limit.max_restarts} restarts, the most that are allowed"
            )
        else:
            self._restart_at_s = self._clock.now_s() + self._limit.restart_delay_s

    def _stay_dead(self, life: RunningLife, reason: str) -> None:
        self.not_restarted = reason
        self._record("not_restarted", reason, life)
        if self._life is life:  # it did not get ready, and lives
            life.asked = True
            life.kill_at_s = self._clock.now_s() + self._spec.stop_timeout_s
            life.child.terminate()

    def _record(self, event: str, detail: str, life: RunningLife, by: str = "") -> None:
        self._events.record(event, detail, arm=self.name, life=life.number, pid=life.pid, by=by)
