"""The plan of a run: every process and port of a profile, before anything is started."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter

from soak import contract
from soak.config.profile import ArmSettings, JudgeSettings, Profile
from soak.config.traffic_settings import StubSettings
from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError, printable
from soak.plan.load_plan import WebAccess, plan_load
from soak.plan.ports import Ports
from soak.plan.shortest_load import TOO_SHORT, shortest_load
from soak.process.probe_injection import INJECT_VARIABLE, PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.process.spec import ProcessSpec, module_argv


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """The process of an arm, and its part in the comparison."""

    name: str
    role: str
    process: ProcessSpec
    injected: contract.InjectedLeak | None = None
    """The leak that is injected into the copy of the candidate; None of every other arm."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All processes of a run, in the order of their start: stubs, arms, Locust, judge."""

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
        return (*stubs, *(arm.process for arm in self.arms), self.locust, *self.workers, *judge)

    def at(self, t0_monotonic_s: float) -> RunPlan:
        """Return the plan of a run that starts at this instant of the monotonic clock."""
        return replace(self, traffic=replace(self.traffic, t0_monotonic_s=t0_monotonic_s))

    def check_commands(self) -> None:
        """Raise UsageError, with the key, where the command of an arm cannot be started, or one of ours is too long."""
        for arm in self.arms:
            if (missing := arm.process.why_not_startable()) is not None:
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
        ]
        if shortest.too_short:
            lines.append(f"warning  {TOO_SHORT}")
        for process in self.processes:
            at = f"  at {process.url}" if process.url else ""
            lines += [f"start    {process.name}{at}", f"         {shlex.join(process.argv)}"]
            if process.env:
                lines.append(f"         with {', '.join(sorted(process.env))} set, in {process.cwd}")
            lines += [_copied(arm.injected) for arm in self.arms if arm.injected and arm.process is process]
        if self.invitation:
            lines.append(f"then     {self.invitation}")
        return printable("\n".join(lines))


def plan_run(
    profile: Profile, run_directory: Path, probe_directory: Path, *, web: WebAccess | None = None
) -> RunPlan:
    """Return the plan of a profile; with ``web`` the load waits for Start in Locust's web UI.

    Raises UsageError for a port that cannot be used, an unknown placeholder and a locustfile that Locust cannot load.
    """
    ports = Ports()
    host = str(profile.traffic.bind_host)
    stubs = None
    words: dict[str, str] = {"python": sys.executable, "host": host}
    if profile.stubs is not None:
        port = ports.take(profile.stubs.port, "stubs.port")
        stubs = _stubs_process(profile.stubs, profile.traffic.seed, port, run_directory)
        words["upstreams"] = ",".join(f"{service}={LOOPBACK}:{port}" for service in profile.stubs.services)
    arms = tuple(_arms(profile, ports, words, probe_directory))
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


def _arms(
    profile: Profile, ports: Ports, words: Mapping[str, str], probe_directory: Path
) -> Iterator[ArmPlan]:
    """Yield the arms of the profile, then the copy of the candidate where that is the control."""
    host = words["host"]

    def process(name: str, arm: ArmSettings, port: int) -> ProcessSpec:
        return _arm_process(
            name,
            arm,
            {**words, "port": str(port), "arm": name},
            url=f"http://{host}:{port}",
            directory=profile.directory,
            probe_directory=probe_directory,
        )

    for name, arm in profile.arms.items():
        yield ArmPlan(name, arm.role, process(name, arm, ports.take(arm.port, f"arms.{name}.port", host)))
    candidate = contract.candidate_arm(
        {name: arm.role for name, arm in profile.arms.items()}, profile.judge.candidate
    )
    injected, original = _injected_leak(profile.judge), profile.arms.get(candidate or "")
    if candidate and original and injected:
        if not any("port" in _placeholders(text) for text in (*original.command, *original.env.values())):
            raise UsageError(
                f"arms.{candidate}: its command fixes its port, and the control is a copy of it on a port of its own. "
                'Write {port} for the port, or name an arm with a known leak as judge.control instead of "inject".'
            )
        name = contract.copy_name(candidate)
        copied = process(name, original, ports.take(None, name, host))
        copied = replace(copied, env={**copied.env, INJECT_VARIABLE: "1"})
        yield ArmPlan(name, contract.CONTROL_ROLE, copied, injected)


def _injected_leak(judge: JudgeSettings) -> contract.InjectedLeak | None:
    """Return the leak of the control that is a copy of the candidate; None where no such control is asked for."""
    if judge.control != contract.INJECT or judge.margin is None:
        return None
    per_request, per_s = judge.margin.per_request, judge.margin.per_s or 0.0
    rates: dict[str, float] = {kind: times * (per_request or per_s) for kind, times in judge.inject.items()}
    return contract.InjectedLeak("request" if per_request else "s", rates)


def _placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)}


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


def _arm_process(
    name: str, arm: ArmSettings, words: Mapping[str, str], *, url: str, directory: Path, probe_directory: Path
) -> ProcessSpec:
    python_path = [str(PROBE_PATH), arm.env.get("PYTHONPATH") or os.environ.get("PYTHONPATH", "")]
    return ProcessSpec(
        name=name,
        argv=tuple(_fill(word, words, f"arms.{name}.command") for word in arm.command),
        cwd=(directory / arm.cwd) if arm.cwd else directory,
        url=url,
        ready=arm.ready,
        ready_timeout_s=arm.ready_timeout_s,
        stop_timeout_s=arm.stop_timeout_s,
        env={
            **{key: _fill(value, words, f"arms.{name}.env.{key}") for key, value in arm.env.items()},
            "PYTHONPATH": os.pathsep.join(path for path in python_path if path),
            PROBE_DIRECTORY_VARIABLE: str(probe_directory),
        },
    )


def _fill(text: str, words: Mapping[str, str], key: str) -> str:
    """Replace placeholders such as ``{port}``; other braces must be doubled."""
    filled = []
    try:
        for literal, name, form, conversion in Formatter().parse(text):
            filled += [literal, "" if name is None else words[name]]
            if form or conversion:
                raise ValueError("with a format")  # noqa: TRY301 - as Formatter's own
    except (KeyError, ValueError) as error:
        known = ", ".join(f"{{{word}}}" for word in words)
        # The text is not shown, since it may hold a secret.
        raise UsageError(
            f"{key}: cannot fill in the placeholder {error}; known here: {known}. Write a literal brace twice."
        ) from None
    return "".join(filled)


def _judge_process(run_directory: Path) -> ProcessSpec:
    """Return the judge beside the run; niced, so that target and load have the processor."""
    argv = ("nice", "-n", "10", *module_argv("analysis", "judge", "--follow", str(run_directory)))
    return ProcessSpec("judge", argv, run_directory, stop_timeout_s=2.0)


def _load(profile: Profile) -> str:
    traffic = profile.traffic
    if traffic.locustfile is not None:
        return f"{traffic.users} users of {traffic.locustfile} for each arm, {traffic.spawn_rate:g} started per second"
    rate = "" if traffic.shape == "incident" else f" {traffic.rate_rps:g} requests/s"
    return (
        f"{traffic.shape}{rate}, POST {traffic.path}, bodies of {traffic.request_bytes} B,"
        f" seed {traffic.seed}, the same for every arm"
    )


def _margin(profile: Profile) -> str:
    margin = profile.judge.margin
    if margin is None:
        return f"margin {_size(profile.limit.memory)} in {(profile.judge.min_time_to_oom or 0) / 3600:g} h"
    return f"margin {margin.text}"


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
