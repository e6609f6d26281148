"""An arm that runs elsewhere: loaded and read by its own metrics, and neither started, limited nor stopped."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from soak.config.profile import LimitSettings
from soak.containers.spec import SOCKETS_INSIDE
from soak.elsewhere.exchange import Metrics
from soak.elsewhere.exposition import MetricsError, RefusedError
from soak.elsewhere.sampler import ElsewhereSampler
from soak.errors import UsageError
from soak.limit.base import LimitMechanism
from soak.plan.arm_plan import ArmPlan
from soak.plan.quiesce_points import QuiescePoint
from soak.plan.run_plan import RunPlan
from soak.process.child import Running
from soak.sampling.threads import SamplingThreads
from soak.status.model import ArmStatus
from soak.supervisor.arm import TRY_READY_EVERY_S, ArmRun
from soak.supervisor.session import Session


class ArmElsewhere:
    """The lives of an arm that is only watched, as those of ``ArmRun``."""

    is_copy = False
    not_restarted: str | None = None
    """Never known: whoever runs it may start it again."""
    sampler: ElsewhereSampler

    def __init__(self, plan: ArmPlan, every_s: float, session: Session, metrics: Metrics) -> None:
        self.name = plan.name
        self.sampler = session.add_elsewhere(plan.name, every_s, metrics.fetch)
        self.threads = SamplingThreads(self.sampler, session.machine.thread)
        self._at = f"{plan.process.url}{plan.metrics}"
        self._timeout_s = plan.process.ready_timeout_s
        self._session = session
        self._started_s: float | None = None
        """When it was first to be looked at, ``t_s``; None before that."""
        self._next_try_s = 0.0
        self._refused = ""
        self._is_ready = False

    @property
    def up(self) -> bool:
        """Whether its metrics answer."""
        return self._is_ready and not self.sampler.is_away

    @property
    def status(self) -> ArmStatus:
        """The arm at this moment."""
        sample, starting = self.sampler.latest, not self._is_ready
        return ArmStatus(self.name, self.sampler.life, None, self.up, sample, None, starting)

    def start(self) -> None:
        """Begin to look whether it answers; it runs already."""
        self._started_s = self._session.clock.now_s()
        self._record("start", f"it runs elsewhere, at {self._at}")

    def poll(self) -> None:
        """Look whether it answers, until it does."""
        now_s = self._session.clock.now_s()
        if self._started_s is None or self._is_ready or self._refused or now_s < self._next_try_s:
            return
        try:
            self.sampler.begin()
        except MetricsError as error:
            late = now_s - self._started_s > self._timeout_s
            if late or isinstance(error, RefusedError):
                self._refused = f"{error}{f' within {self._timeout_s:g} s' if late else ''}"
            self._next_try_s = self._session.clock.now_s() + TRY_READY_EVERY_S
            return
        self._is_ready = True
        self._record("ready", f"after {self._session.clock.now_s() - self._started_s:.1f} s, by its metrics")

    def check_started(self) -> None:
        """Raise UsageError where it will not get ready."""
        if self._refused:
            raise UsageError(
                f"{self.name}: {self._at}: {self._refused}. Fix arms.{self.name}.url or .metrics in the profile."
            )

    def take_point(self, point: QuiescePoint) -> None:
        """Read nothing of its own in a pause: nobody can have it collected."""

    def start_naming(self, timeout_s: float) -> tuple[Thread, ...]:  # noqa: ARG002 - it has no holders
        """Sample no more."""
        self.threads.stop()
        return self.threads.running

    def begin_stop(self) -> Running | None:
        """Sample no more; nothing is to be ended."""
        self.threads.stop()
        return None

    def finish_stop(self) -> None:
        """Do nothing: it goes on."""

    def _record(self, event: str, detail: str) -> None:
        self._session.events.record(event, detail, arm=self.name, life=self.sampler.life)


def new_arms(
    plan: RunPlan, mechanism: LimitMechanism, session: Session, probe_directory: Path
) -> list[ArmRun | ArmElsewhere]:
    """Return the arms of a run, with the sampler of each; nothing is started."""
    limit, sampling = plan.profile.limit, plan.profile.sampling

    def started(arm: ArmPlan, limit: LimitSettings) -> ArmRun:
        sampler = session.add_sampler(arm.name, sampling, limit_bytes=limit.memory, injected=arm.injected)
        directory = Path(SOCKETS_INSIDE) if arm.container else probe_directory
        return ArmRun(arm, limit, mechanism, session, sampler, directory)

    return [
        ArmElsewhere(arm, sampling.every_s, session, Metrics(arm.process.url, arm.metrics))
        if arm.metrics
        else started(arm, limit)
        for arm in plan.arms
    ]
