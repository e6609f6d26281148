"""A run from start to end: processes up, phases through, everything down again, whatever happens."""

from __future__ import annotations

import math
import platform
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak import contract
from soak.arm import ArmRun
from soak.config import Profile
from soak.errors import HarnessError, SoakError
from soak.guard import Guard
from soak.limit import Choice, choose
from soak.plan import Plan, make_plan
from soak.process import Child, ProcessSpec, describe_exit, last_words
from soak.progress import ArmNow, Now, Progress, RequestTail
from soak.provenance import host_facts
from soak.recording import CsvRecorder, EventLog, RunClock, new_run_directory, write_json, write_text
from soak.sampler import Sampler

LOOK_EVERY_S = 0.1
SHOW_EVERY_S = 1.0
CENSUS_LEAD_S = 1.0
"""The idle census is taken this long before the load begins."""
LOCUST_READY_TIMEOUT_S = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CutShortError(SoakError):
    """The run ended early, but not by a fault of ours: what was recorded is worth a report."""


def run_profile(profile: Profile, runs: Path, progress: Progress) -> Path:
    """Make one run and return its directory; the recording is kept however it ends.

    Raises UsageError or HarnessError after everything is stopped and recorded. A run that Ctrl-C, SIGTERM or a
    dead load generator cut short is no error: its manifest says so, and its report will.
    """
    with ExitStack() as stack:
        interrupted = stack.enter_context(_noted_signals())
        guard = Guard()
        stack.callback(guard.close)
        probe_directory = Path(tempfile.mkdtemp(prefix="soak-"))
        guard.add_directory(probe_directory)
        # the plan is checked before a directory is made for it
        make_plan(profile, Path("runs"), probe_directory)
        directory = new_run_directory(runs, profile.name, datetime.now(UTC))
        choice = choose(guard, directory.name)
        stack.callback(choice.mechanism.close)
        clock = RunClock()
        plan = make_plan(profile, directory, probe_directory).at(clock.t0_monotonic_s)
        run = Run(plan, choice, guard, clock, progress, interrupted, probe_directory)
        stack.callback(run.close)
        run.go()
    return directory


@contextmanager
def _noted_signals() -> Iterator[list[str]]:
    """Turn Ctrl-C, SIGTERM and a lost terminal into a note that the run reads when it is safe to stop."""
    noted: list[str] = []
    previous = {
        number: signal.signal(number, lambda number, _: noted.append(signal.Signals(number).name))
        for number in STOP_SIGNALS
    }
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Run:
    """The supervisor. ``go`` once, ``close`` always."""

    def __init__(
        self,
        plan: Plan,
        choice: Choice,
        guard: Guard,
        clock: RunClock,
        progress: Progress,
        interrupted: list[str],
        probe_directory: Path,
    ) -> None:
        self._plan = plan
        self._guard = guard
        self._clock = clock
        self._progress = progress
        self._interrupted = interrupted
        self._directory = plan.run_directory
        self._logs = self._directory / contract.LOGS
        self._logs.mkdir()
        self._recorders: list[CsvRecorder] = []
        self._events = EventLog(self._directory / contract.EVENTS, clock)
        self._arms = [
            ArmRun(
                arm,
                plan.profile.limit,
                choice.mechanism,
                guard=guard,
                clock=clock,
                events=self._events,
                sampler=self._make_sampler(arm.name),
                run_id=self._directory.name,
                log=self._logs / f"{arm.name}.log",
                probe_directory=probe_directory,
            )
            for arm in plan.arms
        ]
        self._tails = {
            arm.name: RequestTail(self._directory / arm.name / contract.REQUESTS) for arm in plan.arms
        }
        self._requests: dict[str, Mapping[str, int]] = {arm.name: {} for arm in plan.arms}
        self._stubs: Child | None = None
        self._locust: Child | None = None
        self._phase = "start"
        self._ends_s = 0.0
        self._next_show_s = 0.0
        self._manifest = _manifest(plan, choice)
        self._save_manifest("running", "")

    def go(self) -> None:
        """Run all phases; raises what ended the run early unless it is an interruption or a lost load."""
        self._events.record("run_start", f"profile {self._plan.profile.name}")
        try:
            self._start_all()
            self._go_through_phases()
        except CutShortError as error:
            self._end("interrupted", str(error))
        except SoakError as error:
            self._end("failed", str(error).splitlines()[0])
            raise
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise
        else:
            self._end("complete", "")

    def close(self) -> None:
        """Stop every process and close every file. Idempotent."""
        for child in (self._locust, self._stubs):
            if child is not None:
                child.stop()
        for arm in self._arms:
            arm.stop()
        for recorder in self._recorders:
            recorder.close()
        self._events.close()

    def _end(self, status: str, detail: str) -> None:
        """Stop the load first, then the arms: the recording ends with the target, not with our shutdown."""
        try:
            if status == "interrupted":
                self._events.record("interrupted", detail)
            self._stop_child("locust", self._locust)
            for arm in self._arms:
                arm.stop()
            self._stop_child("stubs", self._stubs)
            self._events.record("run_end", status)
        finally:
            self._save_manifest(status, detail)

    def _stop_child(self, name: str, child: Child | None) -> None:
        if child is not None:
            asked = child.poll() is None
            code = child.stop()
            self._events.record(
                "exit", describe_exit(code), arm=name, pid=child.pid, by="soak" if asked else "itself"
            )

    def _start_all(self) -> None:
        plan = self._plan
        if plan.stubs is not None:
            self._stubs = self._start_child(plan.stubs)
            self._wait_ready(self._stubs, self._stubs.answers, plan.stubs.ready_timeout_s)
        for arm in self._arms:
            arm.start()
        while not all(arm.life and arm.life.ready for arm in self._arms):
            self._wait(LOOK_EVERY_S)
            for arm in self._arms:
                arm.check_started()
        write_text(self._directory / contract.TRAFFIC, plan.traffic.to_json())
        self._locust = self._start_child(plan.locust, stdin=True)
        log = self._logs / "locust.log"
        self._wait_ready(
            self._locust,
            lambda: contract.TRAFFIC_READY in log.read_text(errors="replace"),
            LOCUST_READY_TIMEOUT_S,
        )

    def _start_child(self, spec: ProcessSpec, *, stdin: bool = False) -> Child:
        child = Child(spec, self._logs / f"{spec.name}.log", self._guard, stdin=stdin)
        self._events.record("start", arm=spec.name, pid=child.pid)
        return child

    def _wait_ready(self, child: Child, is_ready: Callable[[], bool], timeout_s: float) -> None:
        name, log = child.spec.name, child.log
        began = self._clock.t()
        while not is_ready():
            code = child.poll()
            waited = self._clock.t() - began
            if code is not None or waited > timeout_s:
                what = (
                    f"ended before it was ready ({describe_exit(code)})"
                    if code is not None
                    else "did not get ready"
                )
                raise HarnessError(
                    f"{name} {what} after {waited:.1f} s. The last lines of {log}:\n{last_words(log)}"
                )
            self._wait(LOOK_EVERY_S)
        self._events.record("ready", f"after {self._clock.t() - began:.1f} s", arm=name, pid=child.pid)

    def _go_through_phases(self) -> None:
        phases = self._plan.profile.phases
        start_s = math.ceil(self._clock.t() + phases.idle_s)  # rows of the load are whole seconds
        load_s = start_s + phases.warmup_s
        drain_s = load_s + phases.load_s
        quiesce_s = drain_s + phases.drain_s
        self._ends_s = quiesce_s + phases.quiesce_s
        if self._locust is not None:
            self._locust.tell(f"start {start_s:.6f}")
        for arm in self._arms:
            arm.begin_sampling()
        self._begin(contract.IDLE)
        self._wait_until(start_s - CENSUS_LEAD_S)
        for arm in self._arms:
            arm.sampler.take_census()
        self._wait_until(start_s)
        for phase, until_s in (
            (contract.WARMUP, load_s),
            (contract.LOAD, drain_s),
            (contract.DRAIN, quiesce_s),
        ):
            self._begin(phase)
            self._wait_until(until_s)
        self._begin(contract.QUIESCE)
        for arm in self._arms:
            arm.quiesce()
        self._wait_until(self._ends_s)

    def _begin(self, phase: str) -> None:
        self._phase = phase
        for arm in self._arms:
            arm.sampler.phase = phase
        self._events.record("phase", phase)

    def _wait(self, seconds: float) -> None:
        self._wait_until(self._clock.t() + seconds)

    def _wait_until(self, until_s: float) -> None:
        """Look after everything until then; every wait of the run is this one."""
        while (left_s := until_s - self._clock.t()) > 0:
            self._look()
            time.sleep(min(LOOK_EVERY_S, left_s))

    def _look(self) -> None:
        """Notice what has happened; raises what ends the run."""
        if self._interrupted:
            raise CutShortError(f"{self._interrupted[0]} in phase {self._phase}")
        for arm in self._arms:
            arm.look()
            if arm.sampler.failure is not None:
                raise arm.sampler.failure
        if all(arm.given_up for arm in self._arms) and self._phase in contract.PHASES:
            raise CutShortError(f"no arm is left: {self._arms[0].name}: {self._arms[0].given_up}")
        self._look_after_ours()
        if self._clock.t() >= self._next_show_s:
            self._next_show_s = self._clock.t() + SHOW_EVERY_S
            self._progress.show(self._now())

    def _look_after_ours(self) -> None:
        for child in (self._stubs, self._locust):
            if child is not None:
                child.cap_log()
        if self._stubs is not None and (code := self._stubs.poll()) is not None:
            log = self._stubs.log
            raise HarnessError(
                f"stubs ended ({describe_exit(code)}). The last lines of {log}:\n{last_words(log)}"
            )
        loading = self._phase in (contract.IDLE, contract.WARMUP, contract.LOAD)
        if loading and self._locust is not None and (code := self._locust.poll()) is not None:
            log = self._locust.log
            raise CutShortError(
                f"Locust ended in phase {self._phase} ({describe_exit(code)}); its log is {log}"
            )

    def _now(self) -> Now:
        elapsed_s = self._clock.t()
        for name, tail in self._tails.items():
            self._requests[name] = tail.latest(self._requests[name])
        return Now(
            phase=self._phase,
            elapsed_s=elapsed_s,
            left_s=max(0.0, (self._ends_s or self._planned_s()) - elapsed_s),
            limit_bytes=self._plan.profile.limit.memory,
            arms=[
                ArmNow(
                    name=arm.name,
                    life=arm.lives,
                    oom_kills=arm.oom_kills,
                    up=arm.life is not None and arm.life.ready,
                    sample=arm.sampler.latest,
                    requests=self._requests[arm.name],
                )
                for arm in self._arms
            ],
        )

    def _planned_s(self) -> float:
        phases = self._plan.profile.phases
        return phases.idle_s + phases.warmup_s + phases.load_s + phases.drain_s + phases.quiesce_s

    def _make_sampler(self, arm: str) -> Sampler:
        directory = self._directory / arm
        directory.mkdir()
        samples = CsvRecorder(directory / contract.SAMPLES, contract.SAMPLE_COLUMNS)
        census = CsvRecorder(directory / contract.CENSUS, contract.CENSUS_COLUMNS)
        self._recorders += [samples, census]
        sampling = self._plan.profile.sampling
        return Sampler(
            arm,
            self._clock,
            self._events,
            samples,
            census,
            every_s=sampling.every_s,
            smaps_every_s=sampling.smaps_every_s,
        )

    def _save_manifest(self, status: str, detail: str) -> None:
        missed = {arm.name: dict(arm.sampler.gaps.total) for arm in self._arms}
        write_json(
            self._directory / contract.MANIFEST,
            {**self._manifest, "status": status, "status_detail": detail, "missed_readings": missed},
        )


def _manifest(plan: Plan, choice: Choice) -> dict[str, Any]:
    """Return the facts of the run; environment variables by name only, as their values may be secret."""
    profile = plan.profile
    processes = [
        process for process in (plan.stubs, *(arm.process for arm in plan.arms), plan.locust) if process
    ]
    limited = profile.limit.memory is not None
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "run_id": plan.run_directory.name,
        "profile": profile.name,
        "started_wall_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "arms": [
            {"name": arm.name, "role": arm.role, "memory_limit_bytes": profile.limit.memory}
            for arm in plan.arms
        ],
        "limit_mechanism": choice.mechanism.name if limited else "none",
        "limit_mechanisms_refused": list(choice.refused) if limited else [],
        "article": profile.article,
        "hour_s": profile.scale.hour_s,
        "memory_scale": profile.scale.memory,
        "planned_load_s": profile.phases.load_s,
        "seed": profile.traffic.seed,
        "config": profile.model_dump(mode="json", exclude={"directory": True, "arms": {"__all__": {"env"}}}),
        "processes": [
            {"name": process.name, "argv": list(process.argv), "environment_names": sorted(process.env)}
            for process in processes
        ],
        "python": platform.python_version(),
        "host": host_facts(),
    }
