"""The load's part of the plan of a run: Locust's processes, and the planned requests that are handed to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from soak import contract
from soak.config.profile import Profile
from soak.contract.protocol import LOOPBACK
from soak.contract.templates import ENV, IN_HEADERS, header_from, parse_template
from soak.errors import UsageError
from soak.plan.ports import Ports
from soak.process.spec import ProcessSpec

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
PLANNED = LOCUSTFILES / "planned_load.py"
CUSTOM = LOCUSTFILES / "custom_load.py"
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class WebAccess:
    """Locust's web UI on a port of 127.0.0.1, with the login it asks for; without ``user`` it asks for none."""

    port: int
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The processes that send the load, and what they send."""

    locust: ProcessSpec
    """The load generator, or the master of the workers."""
    workers: tuple[ProcessSpec, ...]
    invitation: str
    """Text on how other machines join; empty when all workers are on this machine."""
    traffic: contract.Traffic


def plan_load(
    profile: Profile, run_directory: Path, arms: Mapping[str, str], ports: Ports, web: WebAccess | None
) -> LoadPlan:
    """Return the plan of the load on the arms, given by name and URL.

    Raises UsageError for a port that cannot be used and for a locustfile that Locust cannot load.
    """
    traffic = profile.traffic
    locustfile = _locustfile(profile)
    locust = _locust(profile, run_directory, locustfile)
    options = _web_options(web)
    shares: list[tuple[str, ...]] = [()] * traffic.workers
    if locustfile is not None:
        options += ("--users", str(traffic.users), "--spawn-rate", f"{traffic.spawn_rate:g}")
        shares = [("--soak-arm", arm) for arm in arms]
    workers: tuple[ProcessSpec, ...] = ()
    invitation = ""
    if expected := len(shares) + traffic.remote_workers:
        host = str(traffic.bind_host)
        port = str(ports.take(traffic.bind_port, "traffic.bind_port", host))
        options += ("--master", "--master-bind-host", host, "--master-bind-port", port)
        options += ("--expect-workers", str(expected))
        worker = (*locust.argv, "--worker", "--master-host", host, "--master-port", port)
        workers = tuple(
            replace(locust, name=f"worker-{number}", argv=(*worker, *share))
            for number, share in enumerate(shares, start=1)
        )
        if traffic.remote_workers:
            remote = "1 worker" if traffic.remote_workers == 1 else f"{traffic.remote_workers} workers"
            invitation = (
                f"waiting for {remote} from other machines, {locust.ready_timeout_s:g} s at most; "
                f"start each with: soak worker {host}:{port}"
            )
    planned = _traffic(profile, run_directory, arms, locustfile)
    if traffic.workers or not traffic.remote_workers:
        _check_environment(planned)
    url, env = "", {}
    if web is not None:
        url = f"http://{LOOPBACK}:{ports.take(web.port, '--web-port')}"
        env = {contract.WEB_USER: web.user, contract.WEB_PASSWORD: web.password} if web.user else {}
    return LoadPlan(
        replace(locust, argv=(*locust.argv, *options), url=url, env=env),
        workers,
        invitation,
        planned,
    )


def _locust(profile: Profile, run_directory: Path, locustfile: Path | None) -> ProcessSpec:
    """Return what all processes of Locust have in common."""
    start: tuple[str, ...] = ("-P", "-m", "locust", "-f", str(PLANNED), "--traffic")
    if locustfile is not None:
        start = (str(CUSTOM), "-f", str(locustfile), "--soak-traffic")
    traffic = profile.traffic
    return ProcessSpec(
        "locust",
        (sys.executable, "-u", *start, str(run_directory / contract.TRAFFIC), "--loglevel", "WARNING"),
        run_directory if locustfile is None else profile.directory,
        ready_timeout_s=traffic.remote_timeout_s if traffic.remote_workers else READY_TIMEOUT_S,
        stop_timeout_s=traffic.network_timeout_s + traffic.max_lateness_s + 5,
    )


def _web_options(web: WebAccess | None) -> tuple[str, ...]:
    if web is None:
        return ("--headless", "--only-summary")
    login = ("--web-login",) if web.user else ()
    return ("--web-host", LOOPBACK, "--web-port", str(web.port), *login)


def _locustfile(profile: Profile) -> Path | None:
    if profile.traffic.locustfile is None:
        return None
    # not ``real_path``: a circle of links is no file, and the message below has the key
    path = Path(os.path.realpath(profile.directory / profile.traffic.locustfile))
    is_file = os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name too long
    if not is_file or path.suffix != ".py" or "," in str(path):
        raise UsageError(
            f"traffic.locustfile: {path} is not a Python file that Locust can load; its path must end in .py "
            "and contain no comma."
        )
    return path


def _traffic(
    profile: Profile, run_directory: Path, arms: Mapping[str, str], locustfile: Path | None
) -> contract.Traffic:
    traffic, limit_bytes = profile.traffic, profile.limit.memory
    incident = None
    if traffic.incident is not None and limit_bytes is not None:
        incident = contract.IncidentPlan(
            memory_scale=profile.scale.memory,
            retained_bytes_per_request=traffic.incident.retained_bytes_per_request,
            start_bytes=traffic.incident.start,
            limit_bytes=limit_bytes,
        )
    shared = {field.name for field in fields(contract.Traffic)} - {"incident", "locustfile", "requests"}
    return contract.Traffic(
        **traffic.model_dump(include=shared - {"warmup_request_bytes"}),
        warmup_request_bytes=traffic.warmup_request_bytes or traffic.request_bytes,
        **profile.sampling.model_dump(include=shared),
        **profile.phases.model_dump(include=shared),
        t0_monotonic_s=0.0,
        out_dir=str(run_directory),
        arms=dict(arms),
        services=profile.stubs.services if profile.stubs else ("service",),
        hour_s=profile.scale.hour_s,
        incident=incident,
        locustfile="" if locustfile is None else str(locustfile),
        requests=tuple(request.planned() for request in traffic.requests or ()),
    )


def _check_environment(planned: contract.Traffic) -> None:
    """Raise UsageError where a header names a variable that is not set."""
    for number, request in enumerate(planned.requests):
        for name, value in request.headers.items():
            for part in parse_template(value, IN_HEADERS):
                if part.placeholder == ENV:
                    try:
                        header_from(os.environ, part.text)
                    except ValueError as error:
                        raise UsageError(f"traffic.requests.{number}.headers.{name}: {error}.") from None
