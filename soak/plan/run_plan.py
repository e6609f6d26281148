"""The plan of a run: every process and port of a profile, before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soak import contract
from soak.config.profile import Profile
from soak.config.request_settings import RequestSettings
from soak.config.traffic_settings import StubSettings
from soak.containers.engine import Image
from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError, printable
from soak.plan.arm_plan import ArmPlan, Place, plan_arms
from soak.plan.disk import megabytes, recording_bytes
from soak.plan.load_plan import WebAccess, plan_load
from soak.plan.ports import Ports
from soak.plan.shortest_load import TOO_SHORT, shortest_load
from soak.process.spec import ProcessSpec, module_argv


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All processes of a run, in the order of their start: stubs, arms, Locust, judge; and arms that run elsewhere."""

    profile: Profile
    run_directory: Path
    stubs: ProcessSpec | None
    arms: tuple[ArmPlan, ...]
    locust: ProcessSpec
    """The load generator, or the master of the workers."""
    workers: tuple[ProcessSpec, ...]
    invitation: str
    """Text on how other machines join; empty when all workers are on this machine."""
    traffic: contract.Traffic
    judge: ProcessSpec | None = None
    """The process that writes the verdict so far while the load runs."""

    @property
    def processes(self) -> tuple[ProcessSpec, ...]:
        """All processes, in the order in which they start."""
        stubs = () if self.stubs is None else (self.stubs,)
        judge = () if self.judge is None else (self.judge,)
        arms = (arm.process for arm in self.arms if not arm.metrics)
        return (*stubs, *arms, self.locust, *self.workers, *judge)

    @property
    def recording_bytes(self) -> int:
        """About how much disk the recording takes, of one process of each arm."""
        return recording_bytes(self.profile, len(self.arms))

    @property
    def disk(self) -> str:
        """The same as a line of the plan, with the times on which it depends most."""
        sampling = self.profile.sampling
        censuses = f"a census every {sampling.census_every_s:g} s" if sampling.census_every_s else "no census"
        return (
            f"disk     about {megabytes(self.recording_bytes)} for the recording, of one process of each arm: "
            f"a row every {sampling.every_s:g} s, {censuses}"
        )

    def at(self, t0_monotonic_s: float) -> RunPlan:
        """Return the plan of a run that starts at this instant of the monotonic clock."""
        return replace(self, traffic=replace(self.traffic, t0_monotonic_s=t0_monotonic_s))

    def check_commands(self) -> None:
        """Raise UsageError, with the key, where the command of an arm cannot be started, or one of ours is too long."""
        for arm in self.arms:
            if not arm.metrics and (missing := arm.process.why_not_startable()) is not None:
                raise UsageError(f"arms.{arm.name}.{missing[0]}: {missing[1]}.")
        for process in self.processes:
            if (long := process.why_too_long()) is not None:
                raise UsageError(f"{process.name}: {long[1]}.")

    def describe(self) -> str:
        """Return the plan as text, a paragraph for each process."""
        profile = self.profile
        phases = profile.phases
        limit = profile.limit
        shortest = shortest_load(profile)
        lines = [
            f"profile  {profile.name}: {profile.about}",
            f"phases   idle {phases.idle_s:g} s, warm-up {phases.warmup_s:g} s, load {phases.load_s:g} s, drain"
            f" {phases.drain_s:g} s, quiesce {phases.quiesce_s:g} s",
            f"limit    {_size(limit.memory)} per arm; restart after {limit.restart_delay_s:g} s,"
            f" at most {limit.max_restarts} times",
            f"traffic  {_load(profile)}",
            f"judge    {_margin(profile)}; {shortest}",
            self.disk,
        ]
        if shortest.too_short:
            lines.append(f"warning  {TOO_SHORT}")
        lines += [_elsewhere(arm) for arm in self.arms if arm.metrics]
        for process in self.processes:
            at = f"  at {process.url}" if process.url else ""
            lines += [f"start    {process.name}{at}", f"         {shlex.join(process.argv)}"]
            arm = next((arm for arm in self.arms if arm.process is process), None)
            if arm and arm.container:
                lines.append(f"         image {arm.container.image.name}, {arm.container.image.id}")
            if names := arm.environment_names if arm else sorted(process.env):
                place = "" if process.container else f", in {process.cwd}"
                lines.append(f"         with {', '.join(names)} set{place}")
            if arm and arm.injected:
                lines.append(_copied(arm.injected))
        if self.invitation:
            lines.append(f"then     {self.invitation}")
        return printable("\n".join(lines))


def plan_run(
    profile: Profile,
    run_directory: Path,
    probe_directory: Path,
    *,
    images: Mapping[str, Image] | None = None,
    web: WebAccess | None = None,
) -> RunPlan:
    """Return the plan of a profile; with ``web`` the load waits for Start in Locust's web UI.

    ``images`` are those of the arms that are images, by the arm's name. Raises UsageError for a port that cannot be
    used, an unknown placeholder and a locustfile that Locust cannot load.
    """
    ports = Ports()
    stubs, upstreams = None, None
    if profile.stubs is not None:
        port = ports.take(profile.stubs.port, "stubs.port")
        stubs = _stubs_process(profile.stubs, profile.traffic.seed, port, run_directory)
        upstreams = ",".join(f"{service}={LOOPBACK}:{port}" for service in profile.stubs.services)
    place = Place(run_directory.name, probe_directory, upstreams, images or {})
    arms = tuple(plan_arms(profile, ports, place))
    urls = {arm.name: arm.process.url for arm in arms}
    load = plan_load(profile, run_directory, urls, ports, web)
    return RunPlan(
        profile=profile,
        run_directory=run_directory,
        stubs=stubs,
        arms=arms,
        locust=load.locust,
        workers=load.workers,
        invitation=load.invitation,
        traffic=load.traffic,
        judge=_judge_process(run_directory) if profile.judge.live else None,
    )


def _stubs_process(stubs: StubSettings, seed: int, port: int, run_directory: Path) -> ProcessSpec:
    argv = module_argv(
        "stubs", "--port", str(port), "--seed", str(seed), "--services", ",".join(stubs.services),
        "--body-bytes", str(stubs.body_bytes), "--latency-ms", str(stubs.latency_ms),
        "--latency-sigma", str(stubs.latency_sigma), "--error-rate", _rates(stubs.error_rate, stubs.services),
        "--hang-rate", _rates(stubs.hang_rate, stubs.services),
    )  # fmt: skip
    return ProcessSpec("stubs", argv, run_directory, url=f"http://{LOOPBACK}:{port}", ready="/healthz")


def _rates(rate: float | Mapping[str, float], services: tuple[str, ...]) -> str:
    if isinstance(rate, Mapping):
        return ",".join(f"{service}={rate.get(service, 0)}" for service in services)
    return str(rate)


def _judge_process(run_directory: Path) -> ProcessSpec:
    """Return the judge beside the run; niced, so that target and load have the processor."""
    argv = ("nice", "-n", "10", *module_argv("analysis", "judge", "--follow", str(run_directory)))
    return ProcessSpec("judge", argv, run_directory, stop_timeout_s=2.0)


def _load(profile: Profile) -> str:
    traffic = profile.traffic
    if traffic.locustfile is not None:
        return f"{traffic.users} users of {traffic.locustfile} for each arm, {traffic.spawn_rate:g} started per second"
    rate = "" if traffic.shape == "incident" else f" {traffic.rate_rps:g} requests/s"
    seed = f"seed {traffic.seed}, the same for every arm"
    if traffic.requests is None:
        return f"{traffic.shape}{rate}, POST {traffic.path}, bodies of {traffic.request_bytes} B, {seed}"
    turns = (
        f", each kind in turn {contract.ROTATE_WEIGHT:g} times as often for {contract.ROTATE_S:g} s"
        if traffic.mix == "rotate"
        else ""
    )
    return "\n".join((f"{traffic.shape}{rate}, {seed}{turns}", *_mix(traffic.requests)))


def _mix(requests: Sequence[RequestSettings]) -> Iterator[str]:
    """Yield a line for each kind of request: its share, name, method and path."""
    total = sum(request.weight for request in requests)
    for request in requests:
        what = f"{request.method} {request.path}"
        name = f"{request.name}: " if request.name else ""
        client = f", client {request.client}" if request.client else ""
        reading = f", read for {request.read_s:g} s at most" if request.read_s else ""
        every = f", a message every {request.send_every_s:g} s" if request.send_every_s else ""
        holding = f", open for {request.open_s:g} s{every}" if request.open_s else ""
        yield f"         {request.weight / total:6.1%}  {name}{what}{client}{reading}{holding}"


def _margin(profile: Profile) -> str:
    margin = profile.judge.margin
    if margin is None:
        return f"margin {_size(profile.limit.memory)} in {(profile.judge.min_time_to_oom or 0) / 3600:g} h"
    return f"margin {margin.text}"


def _elsewhere(arm: ArmPlan) -> str:
    """Return the lines of the plan about an arm that runs elsewhere."""
    return (
        f"load     {arm.name}  at {arm.process.url}: it runs elsewhere and is neither started, limited nor stopped\n"
        f"         read by its own metrics at {arm.metrics}: memory, CPU, descriptors; no objects, holders or ladder"
    )


def _copied(leak: contract.InjectedLeak) -> str:
    """Return the line of the plan about the copy of the candidate."""
    rates = " and ".join(
        f"{rate:,.0f} B/request ({kind})"
        if leak.per == "request"
        else f"{rate * 3600 / 2**20:.3g} MiB/h ({kind})"
        for kind, rate in leak.rates.items()
    )
    copy = "a copy of the candidate, sharing its files and database"
    return f"         the control: {copy}, into which {rates} are injected"


def _size(limit: int | None) -> str:
    return "no memory limit" if limit is None else f"{limit / (1 << 20):.0f} MiB"
