"""The supervisor of a run: processes up, everything looked after, everything down again, whatever happens."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from soak import contract
from soak.contract import certain_failure, read_live
from soak.contract.clock import RunClock
from soak.contract.tail import LineTail
from soak.errors import EXIT_USAGE, CutShortError, HarnessError, SoakError, UsageError
from soak.limit import Choice
from soak.plan.quiesce_points import QuiescePoint, points
from soak.plan.run_plan import RunPlan
from soak.process.child import Child, describe_exit
from soak.process.guard import Guard
from soak.process.log import last_words
from soak.process.spec import ProcessSpec
from soak.recording.csv_writer import CsvRecorder
from soak.recording.events import EventLog
from soak.recording.files import write_json, write_text
from soak.sampling.census_scheduler import CENSUS_GAP, Censuses, recorder_process
from soak.sampling.sampler import CENSUS_TIMEOUT_S, Sampler
from soak.status.model import ArmNow, Now
from soak.status.requests_tail import RequestTail
from soak.status.terminal import Progress
from soak.supervisor.arm import ArmRun
from soak.supervisor.load_generator import LoadGenerator
from soak.supervisor.manifest import make_manifest

LOOK_EVERY_S = 0.1
SHOW_EVERY_S = 1.0
STARTING = "start"


class StopRequestedError(CutShortError):
    """Somebody asked for the end: Ctrl-C, SIGTERM or a lost terminal."""


class Run:
    """The supervisor. ``go`` once, ``close`` always."""

    def __init__(
        self,
        plan: RunPlan,
        choice: Choice,
        guard: Guard,
        clock: RunClock,
        progress: Progress,
        interrupted: list[str],
        probe_directory: Path,
    ) -> None:
        self.profile = plan.profile
        self._plan = plan
        self._guard = guard
        self.clock = clock
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
        self._load = LoadGenerator(plan, self._logs, self._events, self._stop_child)
        self._judge: Child | None = None
        self._censuses: Censuses | None = None
        self._live: contract.Live | None = None
        self._points: deque[QuiescePoint] = deque()
        self._phase = STARTING
        self._load_ends_s = math.inf
        self._ends_s = 0.0
        self._next_show_s = 0.0
        self._manifest = make_manifest(plan, choice)
        self._save_manifest("running", "")

    def go(self, script: Callable[[Run], None]) -> None:
        """Start everything, follow the script through the phases, stop everything.

        Raises what ended the run early, unless that was an interruption or a lost load.
        """
        self._events.record(
            "run_start", f"profile {self.profile.name}, limit by {self._manifest['limit_mechanism']}"
        )
        try:
            self._start_all()
            script(self)
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
        with ExitStack() as last_first:
            last_first.callback(self._events.close)
            for recorder in self._recorders:
                last_first.callback(recorder.close)
            for child in (self._stubs, *self._load.children, self._judge, self._recorder):
                if child is not None:
                    last_first.callback(child.stop)
            for arm in self._arms:
                last_first.callback(arm.stop)

    def _end(self, status: str, detail: str) -> None:
        """Stop the load first, then the arms: the recording ends with the target, not with our shutdown.

        Each step is taken even if an earlier one could not be recorded, as on a full disk.
        """
        with ExitStack() as last_first:
            last_first.callback(self._save_manifest, status, detail)
            last_first.callback(self._events.record, "run_end", status)
            last_first.callback(self._stop_child, self._stubs)
            for arm in self._arms:
                last_first.callback(arm.stop)
            for child in self._load.children:
                last_first.callback(self._stop_child, child)
            last_first.callback(self._stop_child, self._judge)
            last_first.callback(self._stop_child, self._recorder)
            if status != "complete":
                self._events.record("interrupted", detail)

    def _stop_child(self, child: Child | None) -> None:
        if child is not None:
            by = "soak" if child.poll() is None else "itself"
            self._events.record(
                "exit", describe_exit(child.stop()), arm=child.spec.name, pid=child.pid, by=by
            )

    def _start_all(self) -> None:
        plan = self._plan
        if plan.stubs is not None:
            self._stubs = self._start_child(plan.stubs)
            self._wait_ready(self._stubs, self._stubs.answers, plan.stubs.ready_timeout_s)
        for arm in self._arms:
            arm.start()
        while not all(arm.life and arm.life.ready for arm in self._arms):
            self.wait(LOOK_EVERY_S)
            for arm in self._arms:
                arm.check_started()
        if every_s := self.profile.sampling.census_every_s:
            recorder = recorder_process(self._directory, self.clock.t0_monotonic_s)
            self._censuses = Censuses(
                self._start_child(recorder, stdin=True),
                self.clock,
                every_s,
                [arm.sampler for arm in self._arms],
            )
        write_text(self._directory / contract.TRAFFIC, plan.traffic.to_json())
        locust = self._load.start(self._start_child)
        if plan.invitation:
            self.say(plan.invitation)
        self._wait_ready(locust, self._load.is_ready, plan.locust.ready_timeout_s)

    def _start_child(self, spec: ProcessSpec, *, stdin: bool = False) -> Child:
        child = Child(spec, self._logs / f"{spec.name}.log", self._guard, stdin=stdin)
        self._events.record("start", arm=spec.name, pid=child.pid)
        return child

    def _wait_ready(self, child: Child, is_ready: Callable[[], bool], timeout_s: float) -> None:
        name, log = child.spec.name, child.log
        began = self.clock.now_s()
        while not is_ready():
            code = child.poll()
            waited = self.clock.now_s() - began
            if code is not None or waited > timeout_s:
                what = "did not get ready" if code is None else f"ended ({describe_exit(code)})"
                if code is not None and child in self._load.children:
                    self._load.check_custom_locustfile(child, code)
                error = (
                    UsageError if code == EXIT_USAGE else HarnessError
                )  # what it refuses, the profile asked for
                awaited = f", {self._plan.invitation}" if self._plan.invitation and name == "locust" else ""
                raise error(
                    f"{name} {what} after {waited:.1f} s{awaited}. The last lines of {log}:\n{last_words(log)}"
                )
            self.wait(LOOK_EVERY_S)
        self._events.record("ready", f"after {self.clock.now_s() - began:.1f} s", arm=name, pid=child.pid)

    @property
    def _recorder(self) -> Child | None:
        """The process that takes the censuses."""
        return None if self._censuses is None else self._censuses.child

    def begin_sampling(self) -> None:
        """Start the samplers of all arms."""
        for arm in self._arms:
            arm.begin_sampling()

    def begin(self, phase: str) -> None:
        """Enter a phase."""
        self._phase = phase
        if phase not in (contract.WARMUP, contract.LOAD):
            self._points.clear()
        for arm in self._arms:
            arm.sampler.phase = phase
        self._events.record("phase", phase)
        if phase == contract.LOAD:
            self._start_judge()

    def take_points(self, start_s: float) -> None:
        """Have the arms read in each pause of the load whose warm-up starts at ``start_s`` (``t_s``)."""
        self._points = deque(points(self._plan.traffic, start_s))

    def _start_judge(self) -> None:
        """Have the load judged from here on; what an earlier load was called does not count."""
        if self._plan.judge is None:
            return
        self._stop_child(self._judge)
        self._live = None
        (self._directory / contract.LIVE).unlink(missing_ok=True)
        self._judge = self._start_child(self._plan.judge)

    def wait_for_load(self, until_s: float) -> str:
        """Look after everything until then; return early, with the reason, when a gate is certain to fail.

        That is a gate of the candidate, and only where the profile asks for it. At the ordinary end return "".
        """
        profile = self.profile
        while (now_s := self.clock.now_s()) < until_s:
            if profile.judge.stop_on_fail and (
                reason := certain_failure(self._live, self._manifest["candidate"])
            ):
                return reason
            self.wait_until(min(until_s, now_s + SHOW_EVERY_S))
        return ""

    def stop_load(self, reason: str) -> None:
        """End the load before its time; what is in flight still ends."""
        self._events.record("stopped_early", reason)
        self._load.hang_up()

    @property
    def web_url(self) -> str:
        """Where Locust's web UI is; empty without one."""
        return self._plan.locust.url

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._progress.say(text)

    def make_report(self) -> None:
        """Make the report of what is recorded so far, in a process of its own, and print it."""
        self._save_manifest("running", "")  # with the readings missed so far
        argv = (sys.executable, "-P", "-m", "analysis", "report", "--load-ended", str(self._directory))
        printed = LineTail(self._logs / "report.log")
        printed.new_lines()  # of an earlier report
        report = self._start_child(ProcessSpec("report", argv, self._directory))
        try:
            while report.poll() is None:
                self.wait(LOOK_EVERY_S)
        finally:
            self._stop_child(report)
        self.say("\n".join(printed.new_lines()))

    def tell_locust(self, line: str) -> None:
        """Give Locust an order."""
        self._load.tell(line)

    def locust_said(self, beginning: str) -> str | None:
        """Return the rest of the next line with that beginning, once; None when Locust has not printed it."""
        return self._load.said(beginning)

    def take_census(self) -> None:
        """Take the census of all arms; only while nothing is loaded."""
        if self._censuses and not self._censuses.busy:
            self._censuses.order([arm.sampler for arm in self._arms])

    def quiesce(self) -> None:
        """Lead all arms down the quiesce ladder."""
        self.begin(contract.QUIESCE)
        for arm in self._arms:
            for rung in arm.quiesce():
                self._look()
                self._count(arm, rung)
                if rung == contract.RUNGS[0]:
                    arm.sampler.name_holders(rung, self.clock.now_s() + CENSUS_TIMEOUT_S)

    def _count(self, arm: ArmRun, rung: str) -> None:
        """Have an arm's heap counted on a rung of the ladder, and wait until it is."""
        if self._censuses is None:
            return
        counted = self._wait_for_census()
        if counted:
            self._censuses.order([arm.sampler], rung)
            counted = self._wait_for_census()
        if not counted:
            arm.sampler.gaps.missed(CENSUS_GAP, f"none at the rung {rung} within {CENSUS_TIMEOUT_S:g} s")

    def _wait_for_census(self) -> bool:
        """Wait for the census that is being taken; return whether it was in time."""
        until_s = self.clock.now_s() + CENSUS_TIMEOUT_S
        while self._censuses is not None and self._censuses.busy and self.clock.now_s() < until_s:
            self.wait(LOOK_EVERY_S)
        return self._censuses is None or not self._censuses.busy

    def expect(self, load_ends_s: float, ends_s: float) -> None:
        """Say when the load and the run will end."""
        self._load_ends_s = load_ends_s
        self._ends_s = ends_s

    def wait_until(self, until_s: float) -> None:
        """Look after everything until then; every wait of the run is this one. Raises what ends the run."""
        while (left_s := until_s - self.clock.now_s()) > 0:
            self._look()
            to_point_s = self._points[0].at_s - self.clock.now_s() if self._points else math.inf
            time.sleep(max(0.0, min(LOOK_EVERY_S, left_s, to_point_s)))

    def wait(self, seconds: float) -> None:
        """Look after everything for so long."""
        self.wait_until(self.clock.now_s() + seconds)

    def _look(self) -> None:
        """Notice what has happened; raises what ends the run."""
        if self._interrupted:
            raise StopRequestedError(f"{self._interrupted[0]} in phase {self._phase}")
        for arm in self._arms:
            arm.look()
            if arm.sampler.failure is not None:
                raise arm.sampler.failure
        if all(arm.given_up for arm in self._arms) and self._phase in contract.PHASES:
            raise CutShortError(f"no arm is left: {self._arms[0].name}: {self._arms[0].given_up}")
        while self._points and self.clock.now_s() >= self._points[0].at_s:
            point = self._points.popleft()
            for arm in self._arms:
                arm.take_point(point.end_s)
        self._look_after_ours()
        if self.web_url:
            self._load.hear()
        if self._censuses is not None:
            if self._phase in (contract.WARMUP, contract.LOAD):
                self._censuses.tick()
            else:
                self._censuses.hear()
        if self.clock.now_s() >= self._next_show_s:
            self._next_show_s = self.clock.now_s() + SHOW_EVERY_S
            self._live = read_live(self._directory / contract.LIVE)
            self._progress.show(self._now())

    def _look_after_ours(self) -> None:
        for child in (self._stubs, self._judge):
            if child is not None:
                child.cap_log()
        if self._judge is not None and self._judge.poll() is not None:
            self._stop_child(self._judge)  # the run goes on without it; its log says why
            self._judge = None
        if self._stubs is not None and (code := self._stubs.poll()) is not None:
            log = self._stubs.log
            raise HarnessError(
                f"stubs ended ({describe_exit(code)}). The last lines of {log}:\n{last_words(log)}"
            )
        over = self.clock.now_s() >= self._load_ends_s - 1
        self._load.look(self._phase, starting=self._phase == STARTING, over=over)

    def _now(self) -> Now:
        elapsed_s = self.clock.now_s()
        for name, tail in self._tails.items():
            self._requests[name] = tail.latest(self._requests[name])
        return Now(
            phase=self._phase,
            elapsed_s=elapsed_s,
            left_s=None if self.web_url else max(0.0, (self._ends_s or self._planned_s()) - elapsed_s),
            limit_bytes=self.profile.limit.memory,
            arms=[
                ArmNow(
                    name=arm.name,
                    life=arm.starts,
                    oom_kills=arm.oom_kills,
                    up=arm.life is not None and arm.life.ready,
                    sample=arm.sampler.latest,
                    requests=self._requests[arm.name],
                    live=None if self._live is None else self._live.arms.get(arm.name),
                )
                for arm in self._arms
            ],
        )

    def _planned_s(self) -> float:
        phases = self.profile.phases
        return phases.idle_s + phases.warmup_s + phases.load_s + phases.drain_s + phases.quiesce_s

    def _make_sampler(self, arm: str) -> Sampler:
        directory = self._directory / arm
        directory.mkdir()
        samples = CsvRecorder(directory / contract.SAMPLES, contract.SAMPLE_COLUMNS)
        holders = CsvRecorder(directory / contract.HOLDERS, contract.HOLDER_COLUMNS)
        self._recorders += [samples, holders]
        sampling = self.profile.sampling
        return Sampler(
            arm,
            self.clock,
            self._events,
            samples,
            every_s=sampling.every_s,
            smaps_every_s=sampling.smaps_every_s,
            holders=holders,
        )

    def _save_manifest(self, status: str, detail: str) -> None:
        missed = {arm.name: dict(arm.sampler.gaps.total) for arm in self._arms}
        write_json(
            self._directory / contract.MANIFEST,
            {**self._manifest, "status": status, "status_detail": detail, "missed_readings": missed},
        )
