"""A recording that is being made: its directory, events and manifest, our own processes, samplers and display."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Final

from soak import contract
from soak.config.profile import SamplingSettings
from soak.contract.clock import RunClock
from soak.elsewhere.sampler import ElsewhereSampler, Fetch
from soak.errors import HarnessError
from soak.limit.around import LimitAround, limit_around
from soak.limit.choose import Choice, choose
from soak.plan.ports import check_port
from soak.process.child import Child, Spawn, describe_exit
from soak.process.guard import Guard
from soak.process.spec import ProcessSpec
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.recording.files import write_manifest
from soak.sampling.census_scheduler import CensusScheduler, census_process
from soak.sampling.injector import Injector
from soak.sampling.naming import Naming
from soak.sampling.sampler import NAMING_TIMEOUT_S, Sampler
from soak.sampling.ticks import Ticks
from soak.status.model import ArmStatus, RunStatus
from soak.status.requests_tail import RequestTail
from soak.status.terminal import Progress
from soak.supervisor.ending import GRACE_S, NAMING_S, Ending, StopRequest

POLL_EVERY_S = 0.1
"""Time between two looks after everything, seconds."""
SHOW_EVERY_S = 1.0
"""Time between two refreshes of what is shown, seconds."""

GOLDEN_SECTION: Final = 0.618
"""Part of a second, or of a shorter step, between the ticks of one arm and the next: any number of arms is spread."""
ROOM_EVERY_S = 1.0
"""Time between two looks whether there is room on the disk, seconds."""
ROOM_BYTES = 1 << 14
"""Room that a run needs to go on starting, bytes: the first block of some logs."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a session works with: clock, processes and threads; a test hands in scripted ones."""

    new_clock: Callable[[], RunClock] = RunClock
    new_guard: Callable[[], Guard] = Guard
    choose_limit: Callable[[Guard, str], Choice] = choose
    limit_around: Callable[[], LimitAround | None] = limit_around
    spawn: Spawn = Child
    sleep: Callable[[float], None] = time.sleep
    thread: Callable[..., Thread] = Thread


THIS_MACHINE: Final = Machine()


def in_order(steps: Iterable[Callable[[], None]]) -> None:
    """Take every step, in order, even if an earlier one failed; raises the error of the last one that did."""
    with ExitStack() as stack:
        for step in reversed(list(steps)):
            stack.callback(step)


class Session:
    """What a run and an attached sampling have in common. ``close`` always."""

    def __init__(
        self,
        directory: Path,
        manifest: Mapping[str, Any],
        guard: Guard,
        progress: Progress,
        clock: RunClock,
        machine: Machine,
        stop_request: StopRequest,
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.guard = guard
        self.progress = progress
        self.clock = clock
        self.machine = machine
        self.stop_request = stop_request
        self.ending = Ending(stop_request, clock, machine.sleep)
        self.logs = directory / contract.LOGS
        self.logs.mkdir()
        self.events = EventLog(directory / contract.EVENTS, clock)
        self.samplers: list[Sampler] = []
        """Of the arms whose processes are on this machine."""
        self._ticks: list[Ticks] = []
        """Of all arms."""
        self.censuses: CensusScheduler | None = None
        self.live: contract.Live | None = None
        """The newest verdict so far; None before the first."""
        self._writers: dict[str, CsvWriter] = {}
        self._children: list[Child] = []
        self._tails: dict[str, RequestTail] = {}
        self._next_show_s = 0.0
        self._next_room_s = 0.0

    def add_sampler(
        self,
        arm: str,
        sampling: SamplingSettings,
        *,
        limit_bytes: int | None = None,
        injected: contract.InjectedLeak | None = None,
    ) -> Sampler:
        """Make the directory of an arm and the sampler that writes into it.

        At ``limit_bytes`` the arm is killed; ``injected`` is the leak that the sampler has its probes keep.
        """
        directory, samples = self._add_arm(arm)
        holders = CsvWriter(directory / contract.HOLDERS, contract.HOLDER_COLUMNS)
        self._writers[f"{arm}/{contract.HOLDERS}"] = holders
        sampler = Sampler(
            arm,
            self.clock,
            self.events,
            samples,
            every_s=sampling.every_s,
            smaps_every_s=sampling.smaps_every_s,
            holders=holders,
            naming=Naming(limit_bytes if sampling.census_every_s else None, sampling.quiesce_every_s),
            injector=Injector(injected, directory / contract.REQUESTS) if injected else None,
        )
        self._begin_apart(sampler, sampling.every_s)
        self.samplers.append(sampler)
        return sampler

    def add_elsewhere(self, arm: str, every_s: float, fetch: Fetch) -> ElsewhereSampler:
        """Make the directory of an arm that runs elsewhere and the sampler that writes into it."""
        _, samples = self._add_arm(arm)
        sampler = ElsewhereSampler(
            arm,
            self.clock,
            self.events,
            samples,
            every_s=every_s,
            fetch=fetch,
        )
        self._begin_apart(sampler, every_s)
        return sampler

    def _begin_apart(self, sampler: Ticks, every_s: float) -> None:
        """Keep the sampler of the next arm: arms that are read at the same instant wait for each other."""
        sampler.first_after_s = len(self._ticks) * GOLDEN_SECTION % 1 * min(every_s, 1.0)
        self._ticks.append(sampler)

    def _add_arm(self, arm: str) -> tuple[Path, CsvWriter]:
        directory = self.directory / arm
        directory.mkdir()
        samples = CsvWriter(directory / contract.SAMPLES, contract.SAMPLE_COLUMNS)
        self._writers[f"{arm}/{contract.SAMPLES}"] = samples
        self._tails[arm] = RequestTail(directory / contract.REQUESTS)
        return directory, samples

    def start_child(self, spec: ProcessSpec, *, stdin: bool = False) -> Child:
        """Start one of our own processes; raises UsageError when a stranger has taken its port."""
        check_port(spec.name, spec.url)
        child = self.machine.spawn(spec, self.logs / f"{spec.name}.log", self.guard, stdin=stdin)
        self._children.append(child)
        self.events.record("start", arm=spec.name, pid=child.pid)
        return child

    def stop_children(self, children: Iterable[Child | None], within_s: float | None = None) -> None:
        """Stop those of our own processes that are there, at the same time; ``within_s`` as in ``Ending.stop``."""
        known = [child for child in children if child in self._children]
        by = {child: "soak" if child.poll() is None else "itself" for child in known}
        self._children = [child for child in self._children if child not in by]
        self.ending.stop(list(by), within_s)
        for child, who in by.items():
            code = child.leave()
            self.events.record("exit", describe_exit(code), arm=child.spec.name, pid=child.pid, by=who)

    def start_censuses(self, every_s: float) -> None:
        """Start the process that takes the censuses of all arms."""
        spec = census_process(self.directory, self.clock.t0_monotonic_s)
        child = self.start_child(spec, stdin=True)
        self.censuses = CensusScheduler(child, self.clock, every_s, self.samplers)

    @property
    def census_child(self) -> Child | None:
        """The process that takes the censuses; None where none are taken."""
        return None if self.censuses is None else self.censuses.child

    def save_manifest(self, status: str, detail: str = "") -> None:
        """Write the manifest with what is known of the run's end, and the readings missed so far."""
        write_manifest(self.directory, self.manifest_at(status, detail))

    def manifest_at(self, status: str, detail: str = "") -> dict[str, Any]:
        """Return the manifest with what is known of the run's end, and the readings missed so far."""
        missed = {sampler.arm: dict(sampler.gaps.total) for sampler in self._ticks}
        injected = {one.arm: one.injector.held_bytes for one in self.samplers if one.injector is not None}
        known = {"status": status, "status_detail": detail, "missed_readings": missed}
        return {**self.manifest, **known, **({"injected_bytes": injected} if injected else {})}

    def check_room(self) -> None:
        """Raise HarnessError when the disk takes no more; looks once a second.

        While the run starts: a process whose log cannot be written never gets ready, and cannot print why.
        """
        now_s = self.clock.now_s()
        if now_s < self._next_room_s:
            return
        self._next_room_s = now_s + ROOM_EVERY_S
        scratch = self.directory / ".room"
        try:
            scratch.write_bytes(bytes(ROOM_BYTES))
        except OSError as error:
            raise HarnessError(
                f"{self.directory}: the run cannot start ({error.strerror}). Free some disk space, and run again."
            ) from error
        finally:
            with suppress(OSError):
                scratch.unlink()

    def check_samplers(self) -> None:
        """Raise what ended the sampling of an arm."""
        for sampler in self._ticks:
            if sampler.failure is not None:
                raise sampler.failure

    def name_holders(self, start: Callable[[float], list[Thread]]) -> None:
        """Have the holders of all arms named at the same time, as far as there is time.

        ``start`` begins it, to be done within so many seconds, and returns the threads to wait for. Raises what ended
        the sampling of an arm.
        """
        if (timeout_s := self.ending.left_s(NAMING_TIMEOUT_S, NAMING_S)) > 0:
            self.ending.join(start(timeout_s), NAMING_TIMEOUT_S, NAMING_S)
            self.check_samplers()

    def show(self, phase: str, left_s: float | None, arms: Iterable[ArmStatus]) -> None:
        """Show the run at this moment, when the last refresh is old enough; read the verdict so far."""
        now_s = self.clock.now_s()
        if now_s < self._next_show_s:
            return
        self._next_show_s = now_s + SHOW_EVERY_S
        self.live = contract.read_live(self.directory / contract.LIVE)
        verdicts = {} if self.live is None else self.live.arms
        shown = tuple(
            replace(arm, requests=self._tails[arm.name].rates(now_s), live=verdicts.get(arm.name))
            for arm in arms
        )
        self.progress.show(RunStatus(phase, now_s, left_s, shown))

    def close(self) -> None:
        """Stop what is left of our own processes and close every file. Idempotent."""
        in_order([partial(self.stop_children, tuple(self._children), GRACE_S), self.close_files])

    def close_files(self) -> None:
        """Close every file: what a thread that outlives the run would add to it is dropped. Idempotent."""
        in_order([*(writer.close for writer in self._writers.values()), self.events.close])

    def written(self) -> dict[str, str]:
        """Return the hashes of the rows that this process wrote, by file: what else is in one, a target put there."""
        found = {name: writer.sha256 for name, writer in self._writers.items()}
        found[contract.EVENTS] = self.events.sha256
        return {name: digest for name, digest in found.items() if digest is not None}
