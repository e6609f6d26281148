"""The load's part of a plan: Locust's processes, and the plan that is handed to them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from soak import contract
from soak.config.profile import Profile
from soak.config.traffic_settings import LOOPBACK
from soak.errors import UsageError
from soak.plan.ports import Ports
from soak.process.spec import ProcessSpec

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
PLANNED = LOCUSTFILES / "planned_load.py"
OWN = LOCUSTFILES / "custom_load.py"
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Web:
    """Locust's web UI: its port on loopback, and who may use it; everybody on this machine where ``user`` is empty."""

    port: int
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How the load is sent."""

    locust: ProcessSpec
    """The load generator, or the master of the workers."""
    workers: tuple[ProcessSpec, ...]
    invitation: str
    """What to do on other machines, for people; empty when all workers are on this one."""
    traffic: contract.Traffic


def load_plan(
    profile: Profile, run_directory: Path, arms: Mapping[str, str], ports: Ports, web: Web | None
) -> LoadPlan:
    """Return how Locust sends the load to the arms, given by name and URL.

    Raises UsageError for a taken port and for a locustfile that is not there.
    """
    traffic = profile.traffic
    locustfile = _locustfile(profile)
    plan = str(run_directory / contract.TRAFFIC)
    stop_timeout_s = traffic.network_timeout_s + traffic.max_lateness_s + 5
    ready_timeout_s = traffic.remote_timeout_s if traffic.remote_workers else READY_TIMEOUT_S
    quiet = ("--loglevel", "WARNING")
    common: tuple[str, ...] = (
        sys.executable,
        "-u",
        "-m",
        "locust",
        *quiet,
        "-f",
        str(PLANNED),
        "--traffic",
        plan,
    )
    cwd = run_directory
    shares: list[tuple[str, ...]] = [()] * traffic.workers
    if locustfile is not None:
        common = (sys.executable, "-u", str(OWN), *quiet, "-f", str(locustfile), "--soak-traffic", plan)
        cwd = profile.directory
        shares = [("--soak-arm", arm) for arm in arms]

    def process(name: str, *options: str, url: str = "") -> ProcessSpec:
        return ProcessSpec(
            name,
            (*common, *options),
            cwd,
            url=url,
            ready_timeout_s=ready_timeout_s,
            stop_timeout_s=stop_timeout_s,
        )

    url = ""
    face: tuple[str, ...] = ("--headless", "--only-summary")
    secrets: Mapping[str, str] = {}
    if web is not None:
        url = f"http://{LOOPBACK}:{ports.take(web.port, '--web-port')}"
        face = ("--web-host", LOOPBACK, "--web-port", str(web.port))
        if web.user:
            face = (*face, "--web-login")
            secrets = {contract.WEB_USER: web.user, contract.WEB_PASSWORD: web.password}
    if locustfile is not None:
        face = (*face, "--users", str(traffic.users), "--spawn-rate", f"{traffic.spawn_rate:g}")
    expected = len(shares) + traffic.remote_workers
    master: tuple[str, ...] = ()
    workers: tuple[ProcessSpec, ...] = ()
    invitation = ""
    if expected:
        host = str(traffic.bind_host)
        port = str(ports.take(traffic.bind_port, "traffic.bind_port", host))
        master = ("--master", "--master-bind-host", host, "--master-bind-port", port)
        master = (*master, "--expect-workers", str(expected))
        where = ("--worker", "--master-host", host, "--master-port", port)
        workers = tuple(
            process(f"worker-{number}", *where, *share) for number, share in enumerate(shares, start=1)
        )
        if traffic.remote_workers:
            remote = "1 worker" if traffic.remote_workers == 1 else f"{traffic.remote_workers} workers"
            invitation = (
                f"waiting for {remote} from other machines, {ready_timeout_s:g} s at most; "
                f"start each with: soak worker {host}:{port}"
            )
    return LoadPlan(
        replace(process("locust", *face, *master, url=url), env=secrets),
        workers,
        invitation,
        _traffic(profile, run_directory, arms, locustfile),
    )


def _locustfile(profile: Profile) -> Path | None:
    if profile.traffic.locustfile is None:
        return None
    path = (profile.directory / profile.traffic.locustfile).resolve()
    if not path.is_file() or path.suffix != ".py" or "," in str(path):
        raise UsageError(
            f"traffic.locustfile: {path} is no Python file that Locust can load (its path may hold no comma)."
        )
    return path


def _traffic(
    profile: Profile, run_directory: Path, arms: Mapping[str, str], locustfile: Path | None
) -> contract.Traffic:
    traffic = profile.traffic
    incident = None
    if traffic.incident is not None and profile.limit.memory is not None:
        incident = contract.IncidentPlan(
            memory_scale=profile.scale.memory,
            retained_bytes_per_request=traffic.incident.retained_bytes_per_request,
            start_bytes=traffic.incident.start,
            limit_bytes=profile.limit.memory,
        )
    return contract.Traffic(
        seed=traffic.seed,
        t0_monotonic_s=0.0,
        out_dir=str(run_directory),
        arms=dict(arms),
        path=traffic.path,
        services=profile.stubs.services if profile.stubs else ("service",),
        instances_per_hour=traffic.instances_per_hour,
        instances_live=traffic.instances_live,
        hour_s=profile.scale.hour_s,
        warmup_s=profile.phases.warmup_s,
        warmup_rps=traffic.warmup_rps,
        warmup_request_bytes=traffic.warmup_request_bytes,
        shape=traffic.shape,
        load_s=profile.phases.load_s,
        rate_rps=traffic.rate_rps,
        request_bytes=traffic.request_bytes,
        users_per_arm=traffic.users_per_arm,
        max_lateness_s=traffic.max_lateness_s,
        network_timeout_s=traffic.network_timeout_s,
        incident=incident,
        quiesce_every_s=profile.sampling.quiesce_every_s,
        quiesce_pause_s=profile.sampling.quiesce_pause_s,
        locustfile="" if locustfile is None else str(locustfile),
    )
