"""Sampling of what is already running: no load, no limit and no signal of ours, but a recording like any other."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

from soak import contract
from soak.config.profile import SamplingSettings
from soak.containers.limit import FoundLimit
from soak.contract.evidence import spacing
from soak.contract.units import LeakRate
from soak.errors import SoakError
from soak.limit.base import Counters, LifeLimit, Unlimited
from soak.limit.counted_kills import CountedKills
from soak.limit.membership import NotUsableError
from soak.process.procfs import is_alive
from soak.recording.files import new_run_directory
from soak.sampling.probe_client import ProbeClient
from soak.sampling.process_tree import ProcessTree
from soak.sampling.target import Target
from soak.sampling.threads import SamplingThreads
from soak.status.model import ATTACHED, ArmStatus
from soak.status.terminal import Progress
from soak.supervisor.attachments import Attachment
from soak.supervisor.ending import GRACE_S, StopRequest
from soak.supervisor.late_probe import LateProbes, probe_of
from soak.supervisor.launch import Outcome, write_hashes
from soak.supervisor.manifest import host_facts, judge_facts
from soak.supervisor.session import POLL_EVERY_S, THIS_MACHINE, Machine, Session

ATTACHED_SMAPS_EVERY_S = 30.0
"""Time between two readings of USS and PSS of attached processes, seconds."""
ATTACHED_CENSUS_EVERY_S = 30.0
"""Time between two censuses of attached processes, seconds."""
SAMPLING_S = 1.0
"""Time for the last sample at the end, seconds."""


@dataclass(frozen=True, slots=True)
class RequestsSource:
    """Where Prometheus has the requests that attached processes answer."""

    url: str
    requests_query: str


@dataclass(frozen=True, slots=True)
class AttachPlan:
    """What to sample, for how long, and by which margin it will be judged."""

    attachments: tuple[Attachment, ...]
    """What to sample; each is an arm."""
    every_s: float
    for_s: float | None
    """Duration, seconds; None: until somebody ends it, or the processes are gone."""
    max_leak: LeakRate
    limit_bytes: int | None
    """The memory limit they run under, as it was given; None: that of each container, if it has one."""
    requests: RequestsSource | None = None
    """Where their requests are known; None: they are not."""

    def limit_of(self, attachment: Attachment) -> int | None:
        """Return the memory limit of an arm; None where none is known."""
        return attachment.limit_bytes if self.limit_bytes is None else self.limit_bytes


class AttachedArm:
    """One process that was there before us, and those below it."""

    def __init__(
        self, attachment: Attachment, session: Session, plan: AttachPlan, late: LateProbes | None = None
    ) -> None:
        """``late`` are the probes that were put into its processes; None: none was asked for."""
        self.name, process = attachment.name, attachment.process
        self.sampler = session.add_sampler(
            self.name, SamplingSettings(every_s=plan.every_s, smaps_every_s=ATTACHED_SMAPS_EVERY_S)
        )
        self._limit_bytes = plan.limit_of(attachment)
        self.sampler.phase = contract.LOAD
        self.threads = SamplingThreads(self.sampler, session.machine.thread)
        self.up = True
        self._process = process
        self._events = session.events
        self._lives = 1
        self._late = late or LateProbes()
        self._limit = _limit_around(attachment)
        self._kills = CountedKills(self._limit)
        main = Target(self.name, process.pid, 1, self._limit, self._probe_of(process.pid))
        main = replace(main, outside_only=not main.has_probe)
        self._record("start", "it was running already")
        for pid, directory in self._late.directories.items():
            detail = f"by remote debugging (PEP 768); its files are in {directory} until the end"
            session.events.record("probe_injected", detail, arm=self.name, pid=pid)
        for pid, reason in self._late.refused.items():
            session.events.record("probe_not_injected", reason, arm=self.name, pid=pid)
        no_probe = attachment.unreadable or (
            "no probe is in it" if main.probe is None else main.probe.missing
        )
        self._record("ready", f"sampled from outside only: {no_probe}" if main.outside_only else "")
        self._main = main
        self._tree = ProcessTree(
            main,
            self.sampler,
            session.events,
            next_life=self._next_life,
            probe_of=self._probe_of,
            killer=self._kills.killer_of_worker,
        )
        self._tree.poll(0.0, at_once=True)

    @property
    def status(self) -> ArmStatus:
        """The arm at this moment."""
        return ArmStatus(
            self.name,
            life=1,
            oom_kills=self._limit.counters().kills_by_limit,
            up=self.up,
            sample=self.sampler.latest,
            limit_bytes=self._limit_bytes,
        )

    def poll(self, now_s: float) -> None:
        """Notice which processes have come and gone."""
        if not self.up:
            return
        if is_alive(self._process):
            self._tree.poll(now_s)
            self._kills.look(now_s)
            return
        self.up = False
        by = self._kills.killer_of_worker()  # we are not its parent either
        self._record("exit", "it is no longer there", by=by)
        self._tree.on_exit(by)
        self._main.close()

    def start_naming(self, timeout_s: float) -> tuple[Thread, ...]:
        """Have the holders named within ``timeout_s`` seconds; return the threads to wait for."""
        self.threads.start_work("naming", self.sampler.name_holders, "", timeout_s)
        return self.threads.running

    def record_limit(self) -> None:
        """Record what its limit has counted, if it counts."""
        if (counters := self._limit.counters()) != Counters():
            self._record("limit", json.dumps(asdict(counters)))

    def close(self) -> None:
        """Watch its limit no more. Idempotent."""
        self._limit.close()

    def _probe_of(self, pid: int) -> ProbeClient | None:
        return self._late.find(pid) or probe_of(pid)

    def _record(self, event: str, detail: str, by: str = "") -> None:
        self._events.record(event, detail, arm=self.name, life=1, pid=self._process.pid, by=by)

    def _next_life(self) -> int:
        self._lives += 1
        return self._lives


def _limit_around(attachment: Attachment) -> LifeLimit:
    """Return the limit of a container; that of a process is not ours to find."""
    if attachment.container is not None:
        with suppress(NotUsableError, OSError):
            return FoundLimit(attachment.process.pid)
    return Unlimited()


def sample_attached(
    plan: AttachPlan,
    runs: Path,
    progress: Progress,
    stop_request: StopRequest,
    machine: Machine = THIS_MACHINE,
    late: Mapping[Attachment, LateProbes] = MappingProxyType({}),
    add_requests: Callable[[Path], None] = lambda _: None,
) -> Outcome:
    """Sample until the time is over, somebody asks for the end, or all processes are gone.

    ``late`` are the probes that were put into the processes of each attachment. ``add_requests`` adds the requests to
    the recording, before its files are hashed.
    """
    directory = new_run_directory(runs, "attach", datetime.now(UTC))
    manifest = attach_manifest(plan, directory.name)
    failure: Exception | None = None
    with ExitStack() as stack:
        guard = machine.new_guard()
        stack.callback(guard.close)
        session = Session(directory, manifest, guard, progress, machine.new_clock(), machine, stop_request)
        stack.callback(session.close)
        pids = ", ".join(str(one.process.pid) for one in plan.attachments)
        session.events.record("run_start", f"attached to {pids}")
        arms = [AttachedArm(one, session, plan, late.get(one)) for one in plan.attachments]
        session.save_manifest("running")
        for arm in arms:
            stack.callback(arm.close)
        session.events.record("phase", contract.LOAD)
        session.start_censuses(ATTACHED_CENSUS_EVERY_S * spacing(plan.for_s or 0.0))
        for arm in arms:
            arm.threads.start()
        try:
            _follow(arms, session, plan, stop_request)
            if stop_request.is_noted:
                session.progress.print_line(stop_request.answer)
            _stop_sampling(arms, session)
            session.name_holders(
                lambda timeout_s: [thread for arm in arms for thread in arm.start_naming(timeout_s)]
            )
        except Exception as error:  # noqa: BLE001 - also a defect of ours: what was recorded is worth its report
            failure = error
        finally:
            _stop_sampling(arms, session)
            session.stop_children((session.census_child,), GRACE_S)
        for arm in arms:
            arm.record_limit()
        status = "failed" if failure else "complete"
        session.events.record("run_end", status)
        session.save_manifest(status, str(failure or ""))
    try:
        add_requests(directory)
    except (SoakError, OSError) as error:
        # of a process that cannot be started: what was sampled keeps its hashes
        failure = failure or error
    write_hashes(directory, session.written())
    return Outcome(directory, failure)


def attach_manifest(plan: AttachPlan, run_id: str) -> dict[str, Any]:
    """Return the facts of the recording; nothing of the processes but their pids and containers."""
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "run_id": run_id,
        "profile": "attach",
        "attached": True,
        "started_wall_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "arms": [
            {"name": one.name, "role": "", "memory_limit_bytes": plan.limit_of(one)}
            for one in plan.attachments
        ],
        "limit_mechanism": "its owner" if any(map(plan.limit_of, plan.attachments)) else "none",
        "limit_mechanisms_refused": [],
        "incident": False,
        "hour_s": 3600.0,
        "memory_scale": 1.0,
        "planned_load_s": 0,
        "every_s": plan.every_s,
        **judge_facts({one.name: "" for one in plan.attachments}, plan.max_leak),
        "gates": [],
        "processes": [one.facts for one in plan.attachments],
        **({} if plan.requests is None else {"prometheus": asdict(plan.requests)}),
        "hashed": True,
        "python": platform.python_version(),
        "host": host_facts(),
    }


def _stop_sampling(arms: Sequence[AttachedArm], session: Session) -> None:
    for arm in arms:
        arm.threads.stop()
    session.ending.join([thread for arm in arms for thread in arm.threads.running], SAMPLING_S)


def _follow(
    arms: Sequence[AttachedArm], session: Session, plan: AttachPlan, stop_request: StopRequest
) -> None:
    while not stop_request.is_noted and any(arm.up for arm in arms):
        now_s = session.clock.now_s()
        left_s = None if plan.for_s is None else plan.for_s - now_s
        if left_s is not None and left_s <= 0:
            return
        for arm in arms:
            arm.poll(now_s)
        session.check_samplers()
        if session.censuses is not None:
            session.censuses.tick()
        session.show(ATTACHED, left_s, (arm.status for arm in arms))
        session.machine.sleep(POLL_EVERY_S)
