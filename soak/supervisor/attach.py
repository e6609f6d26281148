"""Sampling of what is already running: no load, no limit and no signal of ours, but a recording like any other."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak import contract
from soak.contract.clock import RunClock
from soak.contract.units import LeakRate
from soak.errors import SoakError, UsageError
from soak.limit.base import Unlimited
from soak.process.child import Child
from soak.process.guard import Guard
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE
from soak.process.procfs import count_fds, descendants, environment_value, rss_bytes
from soak.recording.csv_writer import CsvRecorder
from soak.recording.events import EventLog
from soak.recording.files import new_run_directory, write_json
from soak.sampling.census_scheduler import Censuses, recorder_process
from soak.sampling.probe_client import ProbeClient
from soak.sampling.process_tree import Identity, Workers
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target
from soak.status.model import ATTACHED, ArmNow, Now
from soak.status.terminal import Progress
from soak.supervisor.launch import Outcome, seal
from soak.supervisor.manifest import host_facts, judge_facts

LOOK_EVERY_S = 0.1
SHOW_EVERY_S = 1.0
SMAPS_EVERY_S = 30.0
CENSUS_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What to sample, for how long, and by which margin it will be judged."""

    processes: tuple[Identity, ...]
    """Each one is an arm, with the processes below it."""
    every_s: float
    for_s: float | None
    """None: until somebody ends it, or the processes are gone."""
    max_leak: LeakRate
    limit_bytes: int | None
    """The memory limit they run under, as far as we were told."""


def find_processes(pids: Sequence[int]) -> tuple[Identity, ...]:
    """Return the processes; raises UsageError for one that is not there, not readable, or named twice."""
    found: list[Identity] = []
    for pid in pids:
        one = Identity.of(pid)
        if one is None or rss_bytes(pid) is None:
            raise UsageError(f"--pid {pid}: no such process; find it with pgrep -af NAME.")
        if count_fds(pid) is None:
            raise UsageError(f"--pid {pid}: it is not ours to read; run this as its user, or as root.")
        if one in found:
            raise UsageError(f"--pid {pid} is given twice.")
        found.append(one)
    for one in found:
        for pid in descendants(one.pid):
            if pid in pids:
                raise UsageError(
                    f"--pid {pid} runs below --pid {one.pid}, which is sampled with it: leave it out."
                )
    return tuple(found)


class AttachedArm:
    """One process that was there before us, and those below it."""

    def __init__(self, process: Identity, sampler: Sampler, events: EventLog) -> None:
        self.name = arm_name(process)
        self.sampler = sampler
        self.over = False
        self._process = process
        self._events = events
        self._lives = 1
        probe = _probe_of(process.pid)
        main = Target(self.name, process.pid, 1, Unlimited(), probe, outside_only=not probe.exists)
        events.record("start", "it was running already", arm=self.name, life=1, pid=process.pid)
        seen = "sampled from outside only: no probe is in it" if main.outside_only else ""
        events.record("ready", seen, arm=self.name, life=1, pid=process.pid)
        self._workers = Workers(
            main, sampler, events, next_life=self._next_life, probe_of=_probe_of, killer=lambda: "unknown"
        )
        self._workers.look(0.0, at_once=True)

    def look(self, now_s: float) -> None:
        """Notice who has come and gone."""
        if self.over:
            return
        if self._process.is_alive:
            self._workers.look(now_s)
            return
        self.over = True
        detail = "it is no longer there"
        self._events.record("exit", detail, arm=self.name, life=1, pid=self._process.pid, by="unknown")
        self._workers.end("unknown")

    def _next_life(self) -> int:
        self._lives += 1
        return self._lives


def attach(watch: Watch, runs: Path, progress: Progress, interrupted: Sequence[str]) -> Outcome:
    """Sample until the time is over, ``interrupted`` names a signal, or all processes are gone."""
    directory = new_run_directory(runs, "attach", datetime.now(UTC))
    manifest = make_manifest(watch, directory.name)
    with ExitStack() as stack:
        clock = RunClock()
        events = EventLog(directory / contract.EVENTS, clock)
        stack.callback(events.close)
        events.record("run_start", f"attached to {', '.join(str(one.pid) for one in watch.processes)}")
        arms = []
        for process in watch.processes:
            sampler = _make_sampler(stack, directory / arm_name(process), clock, events, watch)
            arms.append(AttachedArm(process, sampler, events))
        _save(directory, manifest, arms, "running", "")
        events.record("phase", contract.LOAD)
        censuses = _start_censuses(stack, directory, clock, [arm.sampler for arm in arms])
        stop = threading.Event()
        threads = [threading.Thread(target=arm.sampler.run, args=[stop]) for arm in arms]
        for thread in threads:
            thread.start()
        failure: SoakError | None = None
        try:
            _follow(arms, clock, watch, progress, interrupted, censuses)
        except SoakError as error:
            failure = error
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        status = "failed" if failure else "complete"
        events.record("run_end", status)
        _save(directory, manifest, arms, status, str(failure or ""))
    seal(directory)
    return Outcome(directory, failure)


def make_manifest(watch: Watch, run_id: str) -> dict[str, Any]:
    """Return the facts of the recording; nothing of the processes but their pids."""
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "run_id": run_id,
        "profile": "attach",
        "attached": True,
        "started_wall_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "arms": [
            {"name": arm_name(one), "role": "", "memory_limit_bytes": watch.limit_bytes}
            for one in watch.processes
        ],
        "limit_mechanism": "none" if watch.limit_bytes is None else "its owner",
        "limit_mechanisms_refused": [],
        "incident": False,
        "hour_s": 3600.0,
        "memory_scale": 1.0,
        "planned_load_s": 0,
        "every_s": watch.every_s,
        **judge_facts({arm_name(one): "" for one in watch.processes}, watch.max_leak),
        "gates": [],
        "processes": [{"name": arm_name(one), "pid": one.pid} for one in watch.processes],
        "python": platform.python_version(),
        "host": host_facts(),
    }


def arm_name(process: Identity) -> str:
    """Return the name of the arm that a process is."""
    return f"pid_{process.pid}"


def _probe_of(pid: int) -> ProbeClient:
    """Return our end of the probe that the process was started with, if it was: its environment says where."""
    return ProbeClient(Path(environment_value(pid, PROBE_DIRECTORY_VARIABLE) or "/nonexistent"), pid)


def _make_sampler(
    stack: ExitStack, directory: Path, clock: RunClock, events: EventLog, watch: Watch
) -> Sampler:
    directory.mkdir()
    samples = CsvRecorder(directory / contract.SAMPLES, contract.SAMPLE_COLUMNS)
    stack.callback(samples.close)
    sampler = Sampler(
        directory.name, clock, events, samples, every_s=watch.every_s, smaps_every_s=SMAPS_EVERY_S
    )
    sampler.phase = contract.LOAD
    return sampler


def _start_censuses(
    stack: ExitStack, directory: Path, clock: RunClock, samplers: Sequence[Sampler]
) -> Censuses:
    logs = directory / contract.LOGS
    logs.mkdir()
    guard = Guard()
    stack.callback(guard.close)
    spec = recorder_process(directory, clock.t0_monotonic_s)
    child = Child(spec, logs / f"{spec.name}.log", guard, stdin=True)
    stack.callback(child.stop)
    return Censuses(child, clock, CENSUS_EVERY_S, samplers)


def _follow(
    arms: Sequence[AttachedArm],
    clock: RunClock,
    watch: Watch,
    progress: Progress,
    interrupted: Sequence[str],
    censuses: Censuses,
) -> None:
    next_show_s = 0.0
    while not interrupted and not all(arm.over for arm in arms):
        now_s = clock.now_s()
        if watch.for_s is not None and now_s >= watch.for_s:
            return
        for arm in arms:
            arm.look(now_s)
            if arm.sampler.failure is not None:
                raise arm.sampler.failure
        censuses.tick()
        if now_s >= next_show_s:
            next_show_s = now_s + SHOW_EVERY_S
            progress.show(_now(arms, now_s, watch))
        time.sleep(LOOK_EVERY_S)


def _now(arms: Sequence[AttachedArm], now_s: float, watch: Watch) -> Now:
    return Now(
        phase=ATTACHED,
        elapsed_s=now_s,
        left_s=None if watch.for_s is None else max(0.0, watch.for_s - now_s),
        limit_bytes=watch.limit_bytes,
        arms=[
            ArmNow(arm.name, life=1, oom_kills=None, up=not arm.over, sample=arm.sampler.latest, requests={})
            for arm in arms
        ],
    )


def _save(
    directory: Path, manifest: dict[str, Any], arms: Sequence[AttachedArm], status: str, detail: str
) -> None:
    missed = {arm.name: dict(arm.sampler.gaps.total) for arm in arms}
    write_json(
        directory / contract.MANIFEST,
        {**manifest, "status": status, "status_detail": detail, "missed_readings": missed},
    )
