"""A pass of an arm before anything is started: the arm with its instrumentation, and what sends the requests."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from soak import contract
from soak.containers.spec import RAW_INSIDE, SOCKETS_INSIDE
from soak.plan.arm_plan import ArmPlan
from soak.plan.load_plan import CUSTOM, PLANNED, READY_TIMEOUT_S
from soak.plan.run_plan import RunPlan
from soak.process.spec import ProcessSpec, module_argv
from soak.replay.passes import Pass

LIMIT_TIMES: Final = 4
"""Memory limit of an arm in a replay, in limits of the run: tracebacks take more than what they are of."""
FREE_SHARE: Final = 0.8
"""Share of the machine's free memory up to which that limit goes above the limit of the run."""


@dataclass(frozen=True, slots=True)
class PassPlan:
    """All that is known of a pass before it starts."""

    one: Pass
    arm: ArmPlan
    limit_bytes: int | None
    stubs: ProcessSpec | None
    locust: ProcessSpec
    log: Path
    """What the arm prints: in the run directory, among the output of every process."""
    probe_directory: Path
    """Directory of the probes' sockets, as the arm has it."""
    raw: Path
    """Private directory of what is live at each point."""
    raw_inside: Path
    """The same, as the arm has it."""
    run_directory: Path
    drain_s: float
    """Time for requests in flight to end, seconds."""
    placed: tuple[tuple[Path, str], ...]
    """Directories of packages, and the names of their copies in the raw directory, where a container has them."""

    def log_of(self, name: str) -> Path:
        """Return the log of another process of the pass."""
        return self.log.with_name(f"{self.log.stem}-{name}.log")

    @property
    def directory(self) -> Path:
        """Directory of the arm in the recording."""
        return self.run_directory / self.arm.name


def plan_pass(
    plan: RunPlan, arm: ArmPlan, one: Pass, private: Path, free_bytes: int, users: int | None = None
) -> PassPlan:
    """Return the plan of a pass of an arm of this run, for a machine with so much free memory.

    ``users`` of a custom locustfile send at once; None: as many as in the run.
    ``private`` is a directory of ours, in which traffic.json is written for the load generator.
    """
    raw = private / "raw"
    raw_inside, probe_directory = raw, private
    placed: tuple[tuple[Path, str], ...] = ()
    if arm.container is not None:
        raw_inside, probe_directory = Path(RAW_INSIDE), Path(SOCKETS_INSIDE)
        placed = tuple((package, f"packages-{number}") for number, package in enumerate(one.packages))
        variables = one.variables(raw_inside, [raw_inside / name for _, name in placed])
        env = {**arm.container.env, **variables}
        limit = limit_bytes(plan.profile.limit.memory, free_bytes)
        arm = replace(arm, container=replace(arm.container, env=env, raw=raw, limit_bytes=limit))
    else:
        env = {**arm.process.env, **one.variables(raw, one.packages)}
        arm = replace(arm, process=replace(arm.process, env=env))
    return PassPlan(
        one,
        arm,
        limit_bytes(plan.profile.limit.memory, free_bytes),
        plan.stubs,
        _locust(plan, arm, private / contract.TRAFFIC, users or plan.profile.traffic.users),
        plan.run_directory / contract.LOGS / f"replay-{arm.name}-{one.name}.log",
        probe_directory,
        raw,
        raw_inside,
        plan.run_directory,
        plan.profile.traffic.network_timeout_s + contract.DRAIN_MARGIN_S,
        placed,
    )


def limit_bytes(limit: int | None, free_bytes: int) -> int | None:
    """Return the memory limit of an arm in its replay; None where it has none in the run."""
    return None if limit is None else max(limit, min(LIMIT_TIMES * limit, int(FREE_SHARE * free_bytes)))


def _locust(plan: RunPlan, arm: ArmPlan, planned: Path, users: int | None) -> ProcessSpec:
    start: tuple[str, ...] = ("-P", "-m", "locust", "-f", str(PLANNED), "--replay", arm.name, "--traffic")
    if plan.traffic.locustfile:
        start = (str(CUSTOM), "-f", plan.traffic.locustfile, "--soak-replay", "--soak-arm", arm.name)
        start += ("--users", str(users), "--soak-traffic")
    options = ("--loglevel", "WARNING", "--headless", "--only-summary")
    return ProcessSpec(
        "locust",
        (sys.executable, "-u", *start, str(planned), *options),
        plan.locust.cwd,
        ready_timeout_s=READY_TIMEOUT_S,
        stop_timeout_s=2.0,
    )


def analysis_process(plan: PassPlan, root: Path | None) -> ProcessSpec:
    """Return the process that finds the sites of a pass; ``root`` is that of the living arm's files."""
    words = [str(plan.run_directory), plan.arm.name, "--raw", str(plan.raw), "--pass", plan.one.name]
    words += [] if root is None else ["--root", str(root)]
    return ProcessSpec("sites", module_argv("analysis", "sites", *words), plan.run_directory)
