"""A machine for the supervisor's tests: time passes only when it is slept, and processes do what a script says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from soak.contract import TRAFFIC_READY
from soak.contract.clock import RunClock
from soak.errors import UsageError
from soak.limit.around import LimitAround
from soak.limit.base import Counters, Unlimited
from soak.limit.choose import Choice
from soak.process.child import Child
from soak.process.guard import Guard
from soak.process.spec import ProcessSpec
from soak.supervisor.session import Machine

FIRST_PID = 10_000_000
"""Above every process id that Linux gives."""
TERMINATED = -15
KILLED = -9


class NoGuard(Guard):
    """Guards nothing, and removes the directory of the probe at once: no scripted process has one."""

    def __init__(self) -> None: ...

    def add_directory(self, path: Path) -> None:
        path.rmdir()

    def _send(self, line: str) -> None: ...

    def close(self) -> None: ...


class ScriptedChild(Child):
    """A process that is none: ready after a while, and ended by the script or by ``stop``."""

    def __init__(self, machine: ScriptedMachine, spec: ProcessSpec, log: Path, pid: int) -> None:
        self.spec = spec
        self.log = log
        self.pid = pid
        self.code: int | None = None
        self.lines: list[str] = []
        """What was written to its standard input."""
        self.input_closed = False
        self.is_log_capped = False
        """Whether its log was ever kept small."""
        self.stubborn = machine.stubborn(spec.name)
        """Whether it ignores SIGTERM."""
        self._doubt, self._is_forwarded = "", False
        self.other = ""
        """Who serves in its place, in a sentence; "": it serves itself."""
        self.killed_s: float | None = None
        """When it was killed; None: it was not."""
        self._machine = machine
        self._ready_at_s = machine.now_s + machine.ready_after_s.get(spec.name, 0.3)
        log.touch()

    def end(self, code: int) -> None:
        """End by itself."""
        self.code = code

    def print(self, line: str) -> None:
        """Print a line."""
        with self.log.open("a") as file:
            file.write(f"{line}\n")

    def poll(self) -> int | None:
        return self.code

    def send_line(self, line: str) -> None:
        self.lines.append(line)

    def close_input(self) -> None:
        self.input_closed = True

    def is_ready(self) -> bool:
        if self.other:
            raise UsageError(self.other)
        return self._machine.now_s >= self._ready_at_s

    def terminate(self) -> None:
        self._machine.stopped.append(self.spec.name)
        if self.code is None and not self.stubborn:
            self.code = TERMINATED

    def kill(self) -> None:
        if self.code is None:
            self.killed_s, self.code = self._machine.now_s, KILLED

    def leave(self) -> int:
        return KILLED if self.code is None else self.code

    def cap_log(self) -> None:
        self.is_log_capped = True


class ScriptedLimit(Unlimited):
    """The memory limit of one life, which counts what the script says."""

    def __init__(self) -> None:
        self.counted = Counters(oom_kills=0)
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def counters(self) -> Counters:
        return self.counted


class ScriptedMechanism:
    """Makes limits that limit nothing."""

    name = "scripted"

    def __init__(self) -> None:
        self.limits: list[ScriptedLimit] = []
        self.names: list[str] = []

    def life(self, name: str, limit_bytes: int) -> ScriptedLimit:  # noqa: ARG002 - it limits nothing
        self.names.append(name)
        self.limits.append(ScriptedLimit())
        return self.limits[-1]

    def close(self) -> None: ...


class ScriptedThread:
    """Does its work as it is started; a thread that samples each second or in a pause does nothing."""

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[object, ...] = (), **_: object
    ) -> None:
        self.name = name
        self.target = target
        self._arguments = args

    def start(self) -> None:
        if self.name.partition("-")[0] not in ("sampler", "point"):
            self.target(*self._arguments)

    def is_alive(self) -> bool:
        return False


class ScriptedMachine:
    """Scripted clock, processes and limits. Locust prints that it is ready as soon as it is."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.wall_step_s = 0.0
        """By how much somebody has set the wall clock since the start."""
        self.clock = RunClock(0.0, lambda: self.now_s, lambda: 1.7e9 + self.now_s + self.wall_step_s)
        self.ready_after_s: dict[str, float] = {}
        """By the name of the process; 0.3 s where nothing else is said."""
        self.stubborn: Callable[[str], bool] = lambda _name: False
        """Whether the process of a name ignores SIGTERM."""
        self.children: list[ScriptedChild] = []
        self.stopped: list[str] = []
        """Names of the processes in the order in which they were stopped."""
        self.on_spawn: Callable[[ScriptedChild], None] = lambda _child: None
        self.mechanism = ScriptedMechanism()
        self.around: LimitAround | None = None
        """The memory limit around it."""
        self._script: list[tuple[float, Callable[[], object]]] = []

    @property
    def machine(self) -> Machine:
        """What a session takes."""
        return Machine(
            new_clock=lambda: self.clock,
            new_guard=NoGuard,
            choose_limit=lambda _guard, _name: Choice(self.mechanism, ()),
            limit_around=lambda: self.around,
            spawn=self.spawn,
            sleep=self.sleep,
            thread=cast("Callable[..., Any]", ScriptedThread),
        )

    def at(self, t_s: float, action: Callable[[], object]) -> None:
        """Have something happen at a time."""
        self._script.append((t_s, action))

    def sleep(self, seconds: float) -> None:
        """Let time pass; what the script has for it happens."""
        self.now_s += max(seconds, 1e-6)  # a clock that stands still would be waited for without end
        due = [entry for entry in self._script if entry[0] <= self.now_s]
        self._script = [entry for entry in self._script if entry[0] > self.now_s]
        for _, action in sorted(due, key=lambda entry: entry[0]):
            action()

    def spawn(
        self,
        spec: ProcessSpec,
        log: Path,
        guard: Guard,  # noqa: ARG002 - nothing is guarded
        cgroup_procs: Path | None = None,  # noqa: ARG002 - nothing is limited
        *,
        stdin: bool = False,  # noqa: ARG002 - all take lines
    ) -> Child:
        """Start a scripted process."""
        child = ScriptedChild(self, spec, log, FIRST_PID + len(self.children))
        self.children.append(child)
        if spec.name == "locust":
            self.at(self.now_s + self.ready_after_s.get("locust", 0.3), lambda: child.print(TRAFFIC_READY))
        self.on_spawn(child)
        return child

    def child(self, name: str) -> ScriptedChild:
        """Return the newest process of that name."""
        return next(child for child in reversed(self.children) if child.spec.name == name)

    def running(self) -> list[str]:
        """Return the names of the processes that still run."""
        return [child.spec.name for child in self.children if child.code is None]
