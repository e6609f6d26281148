"""One life of an arm for a pass: its stubs, the arm itself and the load, up and down again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from soak.contract import REPLAY_PAUSED, TRAFFIC_READY
from soak.contract.tail import LineTail
from soak.errors import SoakError
from soak.limit.base import LifeLimit, LimitMechanism
from soak.plan.ports import check_port
from soak.process.child import Child, Running, describe_exit
from soak.process.procfs import processes_of
from soak.process.spec import ProcessSpec
from soak.regular_files import parse_json
from soak.replay.plan import PassPlan
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.ending import StopRequestedError
from soak.supervisor.ladder import meanwhile
from soak.supervisor.session import Session
from soak.supervisor.starting import starter, why_no_probe

LOOK_EVERY_S: Final = 0.05
"""Time between two looks after the processes, seconds."""
GRACE_S: Final = 2.0
"""Time from SIGTERM to SIGKILL, seconds: nothing is recorded of how an arm ends here."""
LOAD: Final = "load"
"""Name of the load generator's log."""
LIVES: Final = count(1001)
"""Numbers of the lives in replays, beyond those of the run: cgroups and containers are named after them, and that of
one life may still be removed when the next begins."""


class RefusedError(SoakError):
    """The pass cannot begin or go on; the message is a clause, which is recorded as its reason."""


class DiedError(RefusedError):
    """The arm has died; ``code`` is its exit code, negative for a signal."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sent:
    """The requests of a pass since its start."""

    by_name: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    """Those that failed, by their kind of failure."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_name.values())


class Life:
    """The processes of a pass. ``stop`` always."""

    def __init__(
        self, plan: PassPlan, session: Session, mechanism: LimitMechanism, show: Callable[[], None]
    ) -> None:
        """``show`` is called with each look after the processes."""
        self._plan = plan
        self._session = session
        self._show = show
        self._start_life = starter(plan.arm, plan.limit_bytes, mechanism, session, plan.log)
        self._arm: Running | None = None
        self._limit: LifeLimit | None = None
        self._ours: list[Child] = []
        self._probes: dict[int, ProbeClient] = {}
        self.pid: int | None = None
        """The arm's first process; None until it is known."""

    def start(self, until_s: float) -> None:
        """Start all and wait until they are ready; raises RefusedError where they are not until then (``t_s``)."""
        plan = self._plan
        plan.log.parent.mkdir(exist_ok=True)
        try:
            if plan.stubs is not None:
                self._start_ours(plan.stubs)
                self._await(self._ours[0].is_ready, until_s, "the stubs were not ready in time")
            check_port(plan.arm.name, plan.arm.process.url)
            self._arm, self._limit = self._start_life(next(LIVES))
            self._lines = LineTail(plan.log_of(LOAD))
            locust = self._start_ours(plan.locust)
            self._await(self._is_up, until_s, "it was not ready in time")
            self._await(self._load_is_ready, until_s, "the load generator was not ready in time")
        except (RefusedError, StopRequestedError):
            raise
        except SoakError as error:
            raise RefusedError(str(error).splitlines()[0].rstrip(".")) from error
        self._locust = locust

    @property
    def has_died(self) -> bool:
        """Whether the arm has ended."""
        return self._arm is None or self._arm.poll() is not None

    @property
    def charged_bytes(self) -> int | None:
        """Memory that is charged to its limit now; None where that is not known."""
        return None if self._limit is None else self._limit.usage().charged_bytes

    def send(self, least: int, seconds: float, until_s: float, drained_s: float) -> Sent:
        """Send requests for so long, at least so many but not beyond ``until_s`` (``t_s``), and wait for their end.

        Those in flight at ``until_s`` are waited for until ``drained_s`` at the longest.

        Return all that were sent since the start. Raises RefusedError where a process has ended, StopRequestedError.
        """
        self._locust.send_line(f"send {least} {seconds:.3f}")
        paused: list[str] = []

        def is_paused() -> bool:
            paused.extend(line for line in self._lines.new_lines() if line.startswith(REPLAY_PAUSED))
            return bool(paused)

        if not self._wait(is_paused, until_s):
            self._locust.send_line("pause")
            drained_s = min(drained_s, self._now_s() + self._plan.drain_s)
            self._await(is_paused, drained_s, "its requests did not end")
        found = parse_json(paused[-1].removeprefix(REPLAY_PAUSED))
        return Sent(found["sent"], found["failed"])

    def processes(self) -> Iterator[tuple[int, ProbeClient]]:
        """Yield the pids of the arm that have a probe, the first process first, with it."""
        if self.pid is None:
            return
        for pid in (self.pid, *sorted(processes_of(self.pid))):
            probe = self._probes.setdefault(pid, ProbeClient(self._plan.probe_directory, pid))
            if probe.exists:
                yield pid, probe

    def why_no_probe(self) -> str:
        """Return why no process of the arm has a probe."""
        if self.pid is None or self._plan.arm.container is None:
            return "none of its processes loaded the probe"
        return why_no_probe(self.pid, ProbeClient(self._plan.probe_directory, self.pid).missing)

    def ask(self, probe: ProbeClient, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Return the answer of a process while all is looked after; raises ProbeError, and as ``send``."""
        return meanwhile(self._session, self._pause, lambda: probe.ask(op, max(0.1, timeout_s), **arguments))

    def run(self, spec: ProcessSpec, log: Path, timeout_s: float) -> int | None:
        """Return the exit code of a process of ours that ends by itself; None where it was not in time.

        Raises StopRequestedError.
        """
        child = self._session.machine.spawn(spec, log, self._session.guard)
        self._ours.append(child)
        self._wait(lambda: child.poll() is not None, self._now_s() + timeout_s, check=False)
        return child.poll()

    def stop(self) -> None:
        """End all processes. Idempotent."""
        for probe in self._probes.values():
            probe.close()
        children = self._children
        self._session.ending.stop(children, GRACE_S)
        for child in children:
            child.leave()
        if self._limit is not None:
            self._limit.close()
        self._arm, self._limit, self._ours = None, None, []

    @property
    def _children(self) -> list[Running]:
        return [*self._ours, *([] if self._arm is None else [self._arm])]

    def _start_ours(self, spec: ProcessSpec) -> Child:
        check_port(spec.name, spec.url)
        log = self._plan.log_of(LOAD if spec is self._plan.locust else spec.name)
        child = self._session.machine.spawn(spec, log, self._session.guard, stdin=True)
        self._ours.append(child)
        return child

    def _is_up(self) -> bool:
        arm = self._arm
        if arm is None:
            return False
        if self.pid is None and (pid := arm.sampled_pid) is not None and self._limit is not None:
            self._limit.watch(pid)
            self.pid = pid
        return self.pid is not None and arm.is_ready()

    def _load_is_ready(self) -> bool:
        return any(line == TRAFFIC_READY for line in self._lines.new_lines())

    def _await(self, condition: Callable[[], bool], until_s: float, late: str) -> None:
        if not self._wait(condition, until_s):
            raise RefusedError(late)

    def _wait(self, condition: Callable[[], bool], until_s: float, *, check: bool = True) -> bool:
        """Look after all until the condition holds; return False where it does not until then (``t_s``)."""
        while not condition():
            if self._now_s() >= until_s:
                return False
            self._pause(LOOK_EVERY_S, check=check)
        return True

    def _pause(self, seconds: float, *, check: bool = True) -> None:
        if (request := self._session.stop_request).is_noted:
            raise StopRequestedError(f"{request.signal_name} in the replay")
        if check:
            self._check_processes()
        for child in self._children:
            child.cap_log()
        self._show()
        self._session.machine.sleep(seconds)

    def _check_processes(self) -> None:
        """Raise RefusedError where one has ended."""
        if self._arm is not None and (code := self._arm.poll()) is not None:
            raise DiedError(f"it died ({self._arm.describe_exit(code)})", code)
        for child in self._ours:
            if (code := child.poll()) is not None:
                raise RefusedError(
                    f"{child.spec.name} ended ({describe_exit(code)}), see logs/{child.log.name}"
                )

    def _now_s(self) -> float:
        return self._session.clock.now_s()
