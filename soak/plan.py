"""A profile becomes a plan: every process, port and instant, before anything is started."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from soak import config, contract
from soak.config import Arm, Profile, Stubs
from soak.errors import UsageError
from soak.probe_client import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.process import ProcessSpec

HOST = "127.0.0.1"
LOCUSTFILE = Path(__file__).parent.parent / "locustfiles" / "soak_traffic.py"


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """One arm: how its process is started, and its part in the comparison."""

    name: str
    role: str
    process: ProcessSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do, in the order in which it starts: stubs, arms, Locust."""

    profile: Profile
    run_directory: Path
    stubs: ProcessSpec | None
    arms: tuple[ArmPlan, ...]
    locust: ProcessSpec
    """The load generator, or the master of the workers."""
    workers: tuple[ProcessSpec, ...]
    traffic: contract.Traffic

    @property
    def processes(self) -> tuple[ProcessSpec, ...]:
        """All processes, in the order in which they start."""
        stubs = () if self.stubs is None else (self.stubs,)
        return (*stubs, *(arm.process for arm in self.arms), self.locust, *self.workers)

    def at(self, t0_monotonic_s: float) -> Plan:
        """Return the plan of a run that starts at that instant."""
        return replace(self, traffic=replace(self.traffic, t0_monotonic_s=t0_monotonic_s))

    def describe(self) -> str:
        """Return the plan for people, one process a paragraph."""
        profile = self.profile
        phases = profile.phases
        limit = profile.limit
        traffic = profile.traffic
        lines = [
            f"profile  {profile.name}: {profile.about}",
            f"phases   idle {phases.idle_s:g} s, warm-up {phases.warmup_s:g} s, load {phases.load_s:g} s, drain"
            f" {phases.drain_s:g} s, quiesce {phases.quiesce_s:g} s",
            f"limit    {_size(limit.memory)} per arm; restart after {limit.restart_delay_s:g} s,"
            f" at most {limit.max_restarts} times",
            f"traffic  {traffic.shape}{_rate(traffic)}, POST {traffic.path}, bodies of {traffic.request_bytes} B,"
            f" seed {traffic.seed}, the same for every arm",
        ]
        for process in self.processes:
            at = f"  at {process.url}" if process.url else ""
            lines += [f"start    {process.name}{at}", f"         {shlex.join(process.argv)}"]
            if process.env:
                lines.append(f"         with {', '.join(sorted(process.env))} set, in {process.cwd}")
        return "\n".join(lines)


def make_plan(
    profile: Profile, run_directory: Path, probe_directory: Path, *, web_port: int | None = None
) -> Plan:
    """Expand a profile; raises UsageError for a taken port or an unknown placeholder.

    With ``web_port`` the load waits for Start in Locust's web UI there.
    """
    ports = _Ports()
    stubs = None
    words: dict[str, str] = {"python": sys.executable}
    if profile.stubs is not None:
        port = ports.take(profile.stubs.port, "stubs.port")
        stubs = _stubs_process(profile.stubs, profile.traffic.seed, port)
        words["upstreams"] = ",".join(f"{service}={HOST}:{port}" for service in profile.stubs.services)
    arms = tuple(
        ArmPlan(
            name=name,
            role=arm.role,
            process=_arm_process(
                name,
                arm,
                {**words, "port": str(port), "arm": name},
                url=f"http://{HOST}:{port}",
                directory=profile.directory,
                probe_directory=probe_directory,
            ),
        )
        for name, arm in profile.arms.items()
        for port in [ports.take(arm.port, f"arms.{name}.port")]
    )
    locust, workers = _locust_processes(profile, run_directory, ports, web_port)
    return Plan(
        profile=profile,
        run_directory=run_directory,
        stubs=stubs,
        arms=arms,
        locust=locust,
        workers=workers,
        traffic=_traffic(profile, run_directory, arms),
    )


class _Ports:
    """Hands out free loopback ports, none twice."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, wanted: int | None, key: str) -> int:
        while True:
            with socket.socket() as probe:
                # as servers do, so that a port in TIME_WAIT from an earlier run is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, wanted or 0))
                except OSError as error:
                    raise UsageError(
                        f"Port {wanted} ({key}) cannot be used: {error.strerror}. "
                        "End what listens there, or leave the key out to take a free one."
                    ) from error
                port: int = probe.getsockname()[1]
            if port not in self._taken:
                self._taken.add(port)
                return port
            if wanted:
                raise UsageError(f"Port {wanted} ({key}) is given twice.")


def _stubs_process(stubs: Stubs, seed: int, port: int) -> ProcessSpec:
    argv = (
        sys.executable, "-m", "stubs", "--port", str(port), "--seed", str(seed), "--services", ",".join(stubs.services),
        "--body-bytes", str(stubs.body_bytes), "--latency-ms", str(stubs.latency_ms),
        "--latency-sigma", str(stubs.latency_sigma), "--error-rate", _rates(stubs.error_rate, stubs.services),
        "--hang-rate", _rates(stubs.hang_rate, stubs.services),
    )  # fmt: skip
    return ProcessSpec("stubs", argv, Path.cwd(), url=f"http://{HOST}:{port}", ready_path="/healthz")


def _rates(rate: float | Mapping[str, float], services: tuple[str, ...]) -> str:
    if isinstance(rate, Mapping):
        return ",".join(f"{service}={rate.get(service, 0)}" for service in services)
    return str(rate)


def _arm_process(
    name: str, arm: Arm, words: Mapping[str, str], *, url: str, directory: Path, probe_directory: Path
) -> ProcessSpec:
    python_path = [str(PROBE_PATH), arm.env.get("PYTHONPATH") or os.environ.get("PYTHONPATH", "")]
    return ProcessSpec(
        name=name,
        argv=tuple(_fill(word, words, f"arms.{name}.command") for word in arm.command),
        cwd=(directory / arm.cwd) if arm.cwd else directory,
        url=url,
        ready_path=arm.ready,
        ready_timeout_s=arm.ready_timeout_s,
        stop_timeout_s=arm.stop_timeout_s,
        env={
            **{key: _fill(value, words, f"arms.{name}.env.{key}") for key, value in arm.env.items()},
            "PYTHONPATH": os.pathsep.join(path for path in python_path if path),
            PROBE_DIRECTORY_VARIABLE: str(probe_directory),
        },
    )


def _fill(text: str, words: Mapping[str, str], key: str) -> str:
    """Put the values in the place of ``{port}`` and the like; other braces must be doubled."""
    try:
        return text.format_map(words)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        known = ", ".join(f"{{{word}}}" for word in words)
        # the text itself is not shown: it may hold a secret
        raise UsageError(
            f"{key}: cannot fill in the placeholder {error}; known here: {known}. Write a literal brace twice."
        ) from None


def _locust_processes(
    profile: Profile, run_directory: Path, ports: _Ports, web_port: int | None
) -> tuple[ProcessSpec, tuple[ProcessSpec, ...]]:
    """Return the load generator or master, and the workers."""
    traffic = profile.traffic
    common = (
        sys.executable, "-u", "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING",
        "--traffic", str(run_directory / contract.TRAFFIC),
    )  # fmt: skip
    stop_timeout_s = traffic.network_timeout_s + traffic.max_lateness_s + 5
    url = ""
    if web_port is None:
        face: tuple[str, ...] = ("--headless", "--only-summary")
    else:
        url = f"http://{HOST}:{ports.take(web_port, '--web-port')}"
        face = ("--web-host", HOST, "--web-port", str(web_port))
    if not traffic.workers:
        return ProcessSpec(
            "locust", (*common, *face), run_directory, url=url, stop_timeout_s=stop_timeout_s
        ), ()
    port = str(ports.take(None, "the master's port"))
    master = (
        "--master", "--master-bind-host", HOST, "--master-bind-port", port, "--expect-workers", str(traffic.workers)
    )  # fmt: skip
    workers = tuple(
        ProcessSpec(
            f"worker-{number}",
            (*common, "--worker", "--master-host", HOST, "--master-port", port),
            run_directory,
            stop_timeout_s=stop_timeout_s,
        )
        for number in range(1, traffic.workers + 1)
    )
    return ProcessSpec(
        "locust", (*common, *face, *master), run_directory, url=url, stop_timeout_s=stop_timeout_s
    ), workers


def _traffic(profile: Profile, run_directory: Path, arms: tuple[ArmPlan, ...]) -> contract.Traffic:
    traffic = profile.traffic
    incident = None
    if traffic.incident is not None and profile.limit.memory is not None:
        incident = contract.Incident(
            memory_scale=profile.scale.memory,
            retained_bytes_per_request=traffic.incident.retained_bytes_per_request,
            start_bytes=traffic.incident.start,
            limit_bytes=profile.limit.memory,
        )
    return contract.Traffic(
        seed=traffic.seed,
        t0_monotonic_s=0.0,
        out_dir=str(run_directory),
        arms={arm.name: arm.process.url for arm in arms},
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
    )


def _rate(traffic: config.Traffic) -> str:
    return "" if traffic.shape == "incident" else f" {traffic.rate_rps:g} requests/s"


def _size(limit: int | None) -> str:
    return "no memory limit" if limit is None else f"{limit / (1 << 20):.0f} MiB"
