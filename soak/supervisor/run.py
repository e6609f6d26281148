"""The supervisor of a run: processes up, everything looked after, everything down again, whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread

from soak import contract
from soak.contract import certain_failure
from soak.contract.tail import LineTail
from soak.errors import EXIT_USAGE, CutShortError, HarnessError, SoakError, UsageError
from soak.limit.base import LimitMechanism
from soak.plan.quiesce_points import QuiescePoint, points
from soak.plan.run_plan import RunPlan
from soak.process.child import Child, describe_exit
from soak.process.log import last_words
from soak.process.spec import ProcessSpec, module_argv
from soak.regular_files import write_text
from soak.supervisor.arm import ArmRun
from soak.supervisor.arm_elsewhere import new_arms
from soak.supervisor.ending import GRACE_S, LOAD_S, StopRequestedError
from soak.supervisor.ladder import Ladder
from soak.supervisor.load_generator import LoadGenerator
from soak.supervisor.session import POLL_EVERY_S, SHOW_EVERY_S, Session, in_order

STARTING = "start"
THREADS_S = 1.0
"""Time for sampling threads to end after their targets, seconds."""
UNNAMED_PHASES = (contract.WARMUP, contract.LOAD, contract.DRAIN)
"""Phases with suspects whose holders were not named: a run that is interrupted then names them at its end."""


class Run:
    """The supervisor. ``go`` once, ``stop`` always."""

    def __init__(
        self,
        plan: RunPlan,
        mechanism: LimitMechanism,
        session: Session,
        probe_directory: Path,
    ) -> None:
        self.profile = plan.profile
        self.clock = session.clock
        self.status = "running"
        """How it ended: complete, interrupted or failed."""
        self._plan = plan
        self._session = session
        self._arms = new_arms(plan, mechanism, session, probe_directory)
        self._stubs: Child | None = None
        self._load = LoadGenerator(plan, session)
        self._judge: Child | None = None
        self._points: Iterator[QuiescePoint] = iter(())
        self._next_point: QuiescePoint | None = None
        self._phase = STARTING
        self._load_ends_s = math.inf
        self._ends_s = 0.0
        session.save_manifest("running")

    def go(self, script: Callable[[Run], None]) -> None:
        """Start everything, follow the script through the phases, stop everything.

        Raises what ended the run early, unless that was an interruption or a lost load.
        """
        mechanism = self._session.manifest["limit_mechanism"]
        self._session.events.record("run_start", f"profile {self.profile.name}, limit by {mechanism}")
        try:
            self._session.check_room()
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

    def _end(self, status: str, detail: str) -> None:
        events, request = self._session.events, self._session.stop_request
        self.status = status
        if request.is_noted:
            self._session.progress.print_line(request.answer)
        in_order([
            *([partial(events.record, "interrupted", detail)] if status != "complete" else []),
            partial(self.stop, name_holders=status == "interrupted" and self._phase in UNNAMED_PHASES),
            self._session.progress.end,
            partial(events.record, "run_end", status),
            partial(self._session.save_manifest, status, detail),
        ])  # fmt: skip

    def stop(self, *, name_holders: bool = False) -> None:
        """Stop the load first, then the arms: the recording ends with the targets, not with our shutdown. Idempotent.

        Each step is taken even if an earlier one could not be recorded, as on a full disk. ``name_holders``: the arms
        that live have their holders named, which the drain did not do.
        """
        session, load = self._session, self._load
        in_order([
            partial(session.stop_children, (session.census_child, self._judge, load.locust), LOAD_S),
            partial(session.stop_children, load.workers, LOAD_S),
            *([partial(session.name_holders, self._start_naming)] if name_holders else []),
            self._stop_arms,
            partial(session.stop_children, (self._stubs,), GRACE_S),
        ])  # fmt: skip

    def _start_naming(self, timeout_s: float) -> list[Thread]:
        return [thread for arm in self._arms for thread in arm.start_naming(timeout_s)]

    def _stop_arms(self) -> None:
        """Stop all arms at the same time, and their samplers; a thread that waits for a frozen target ends with it."""
        ending, arms = self._session.ending, self._arms
        ending.stop([child for arm in arms if (child := arm.begin_stop()) is not None])
        in_order(arm.finish_stop for arm in arms)
        ending.join([thread for arm in arms for thread in arm.threads.running], THREADS_S)

    def _start_all(self) -> None:
        plan, session = self._plan, self._session
        if plan.stubs is not None:
            self._stubs = session.start_child(plan.stubs)
            self._wait_ready(self._stubs, self._stubs.is_ready, plan.stubs.ready_timeout_s)
        for arm in self._arms:
            arm.start()
        while not all(arm.up for arm in self._arms):
            self.wait(POLL_EVERY_S)
            for arm in self._arms:
                arm.check_started()
        if every_s := self.profile.sampling.census_every_s:
            session.start_censuses(every_s)
        write_text(session.directory / contract.TRAFFIC, plan.traffic.to_json())
        locust = self._load.start()
        if plan.invitation:
            self.print_line(plan.invitation)
        self._wait_ready(
            locust,
            self._load.is_ready,
            plan.locust.ready_timeout_s,
            awaited=plan.invitation,
            check_exit=partial(self._load.check_locustfile, locust),
        )

    def _wait_ready(
        self,
        child: Child,
        is_ready: Callable[[], bool],
        timeout_s: float,
        *,
        awaited: str = "",
        check_exit: Callable[[int], None] = lambda _code: None,
    ) -> None:
        """Wait for a process of ours; ``awaited`` is what it waits for, ``check_exit`` may name why it ended."""
        name, log = child.spec.name, child.log
        began_s = self.clock.now_s()
        while not is_ready():
            code, waited_s = child.poll(), self.clock.now_s() - began_s
            if code is not None or waited_s > timeout_s:
                what = "did not get ready" if code is None else f"ended ({describe_exit(code)})"
                if code is not None:
                    check_exit(code)
                # the profile asked for what it refuses
                error = UsageError if code == EXIT_USAGE else HarnessError
                raise error(
                    f"{name} {what} after {waited_s:.1f} s{awaited and f', {awaited}'}. "
                    f"The last lines of {log}:",
                    last_words(log),
                )
            self.wait(POLL_EVERY_S)
        self._session.events.record(
            "ready", f"after {self.clock.now_s() - began_s:.1f} s", arm=name, pid=child.pid
        )

    def begin_sampling(self) -> None:
        """Start the samplers of all arms."""
        for arm in self._arms:
            arm.threads.start()

    def begin(self, phase: str) -> None:
        """Enter a phase."""
        self._phase = phase
        if phase not in (contract.WARMUP, contract.LOAD):
            self._next_point = None
        for arm in self._arms:
            arm.sampler.phase = phase
        self._session.events.record("phase", phase)
        if phase in (contract.WARMUP, contract.LOAD):
            self._withdraw_verdict()
        if phase == contract.LOAD and self._plan.judge is not None:
            self._judge = self._session.start_child(self._plan.judge)

    def take_points(self, start_s: float) -> None:
        """Have the arms read in each pause of the load whose warm-up starts at ``start_s`` (``t_s``)."""
        self._points = points(self._plan.traffic, start_s)
        self._next_point = next(self._points, None)

    def _withdraw_verdict(self) -> None:
        """Have nothing judged: a verdict on an earlier load is none on this one, whose judge starts after the warm-up.

        The judge of the earlier load may still rest from its last look, and would give its verdict once more.
        """
        self._session.stop_children((self._judge,), GRACE_S)
        self._judge = self._session.live = None
        (self._session.directory / contract.LIVE).unlink(missing_ok=True)

    def wait_for_load(self, until_s: float) -> str | None:
        """Look after everything until then; return early, with the reason, when a gate is certain to fail.

        That is a gate of the candidate, and only where the profile asks for it. At the ordinary end return None.
        """
        candidate = self._session.manifest["candidate"]
        while (now_s := self.clock.now_s()) < until_s:
            if self.profile.judge.stop_on_fail and (reason := certain_failure(self._session.live, candidate)):
                return reason
            self.wait_until(min(until_s, now_s + SHOW_EVERY_S))
        return None

    def stop_load(self, reason: str) -> None:
        """End the load before its time; what is in flight still ends."""
        self._session.events.record("stopped_early", reason)
        self._load.end_load()

    @property
    def web_url(self) -> str:
        """Where Locust's web UI is; empty without one."""
        return self._plan.locust.url

    def print_line(self, text: str) -> None:
        """Print a line that stays."""
        self._session.progress.print_line(text)

    def make_report(self) -> None:
        """Make the report of what is recorded so far, in a process of its own, and print it."""
        self._session.save_manifest("running")  # with the readings missed so far
        directory = self._session.directory
        argv = module_argv("analysis", "report", "--load-ended", str(directory))
        log = self._session.logs / "report.log"
        printed = LineTail(log, offset=log.stat().st_size if log.exists() else 0)  # after an earlier report
        report = self._session.start_child(ProcessSpec("report", argv, directory))
        try:
            while report.poll() is None:
                self.wait(POLL_EVERY_S)
        finally:
            self._session.stop_children((report,), GRACE_S)
        self.print_line("\n".join(printed.new_lines()))

    def send_to_locust(self, line: str) -> None:
        """Give Locust an order."""
        self._load.send_line(line)

    def next_locust_line(self, beginning: str) -> str | None:
        """Return the rest of the next line with that beginning, once; None when Locust has not printed it."""
        return self._load.next_line(beginning)

    def order_census(self) -> None:
        """Have the heaps of all arms counted out of turn; the run does not wait for it."""
        censuses = self._session.censuses
        if censuses is not None and not censuses.busy:
            censuses.order(self._session.samplers)

    def quiesce(self) -> None:
        """Lead all arms down the quiesce ladder."""
        self.begin(contract.QUIESCE)
        ladder = Ladder(self._session, self.wait)
        for arm in self._arms:
            if isinstance(arm, ArmRun):
                ladder.lead(arm)

    def expect(self, load_ends_s: float, ends_s: float) -> None:
        """Set when the load and the run will end, ``t_s``."""
        self._load_ends_s = load_ends_s
        self._ends_s = ends_s

    def wait_until(self, until_s: float) -> None:
        """Look after everything until then; every wait of the run is this one. Raises what ends the run."""
        while (left_s := until_s - self.clock.now_s()) > 0:
            self._poll()
            to_point_s = self._next_point.at_s - self.clock.now_s() if self._next_point else math.inf
            self._session.machine.sleep(max(0.0, min(POLL_EVERY_S, left_s, to_point_s)))

    def wait(self, seconds: float) -> None:
        """Look after everything for so long."""
        self.wait_until(self.clock.now_s() + seconds)

    def _poll(self) -> None:
        """Notice what has happened; raises what ends the run."""
        if (request := self._session.stop_request).is_noted:
            raise StopRequestedError(f"{request.signal_name} in phase {self._phase}")
        if self._phase == STARTING:
            self._session.check_room()
        for arm in self._arms:
            arm.poll()
        self._session.check_samplers()
        builds = [arm for arm in self._arms if not arm.is_copy]  # a copy alone is nothing to go on for
        if self._phase in contract.PHASES and all(arm.not_restarted is not None for arm in builds):
            raise CutShortError(f"no arm is left: {builds[0].name}: {builds[0].not_restarted}")
        while (point := self._next_point) and self.clock.now_s() >= point.at_s:
            self._next_point = next(self._points, None)
            for arm in self._arms:
                arm.take_point(point)
        self._poll_our_own()
        self._session.show(self._phase, self._left_s(), (arm.status for arm in self._arms))

    def _poll_our_own(self) -> None:
        """Notice what has happened to our own processes: stubs, judge, Locust and censuses."""
        for child in (self._stubs, self._judge):
            if child is not None:
                child.cap_log()
        if self._judge is not None and (code := self._judge.poll()) is not None:
            # the run goes on without it; its log shows why
            self._session.stop_children((self._judge,), GRACE_S)
            self._judge = None
            if code:  # its last verdict would be shown as that of now until the end
                (self._session.directory / contract.LIVE).unlink(missing_ok=True)
        if self._stubs is not None and (code := self._stubs.poll()) is not None:
            log = self._stubs.log
            raise HarnessError(
                f"stubs ended ({describe_exit(code)}). The last lines of {log}:",
                last_words(log),
            )
        over = self.clock.now_s() >= self._load_ends_s - 1
        self._load.poll(self._phase, starting=self._phase == STARTING, over=over)
        if (censuses := self._session.censuses) is not None:
            if self._phase in (contract.WARMUP, contract.LOAD):
                censuses.tick()
            else:
                censuses.poll()

    def _left_s(self) -> float | None:
        """Return the time to the planned end; None where whoever stops the load decides."""
        phases = self.profile.phases
        planned_s = phases.idle_s + phases.warmup_s + phases.load_s + phases.drain_s + phases.quiesce_s
        return None if self.web_url else max(0.0, (self._ends_s or planned_s) - self.clock.now_s())
