"""How a life of an arm is started: as a process under our limit, or as a container under its engine's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from soak.containers.child import ContainerChild
from soak.containers.engine import Engine
from soak.containers.limit import ContainerLimit
from soak.containers.spec import PROBE_INSIDE, ContainerSpec
from soak.errors import HarnessError, SoakError
from soak.limit.base import LifeLimit, LimitMechanism, Unlimited
from soak.plan.arm_plan import ArmPlan
from soak.process.child import Running
from soak.process.procfs import environment_value
from soak.supervisor.session import Session

StartLife = Callable[[int], tuple[Running, LifeLimit]]
"""Starts the life of a number."""


def starter(
    plan: ArmPlan,
    limit_bytes: int | None,
    mechanism: LimitMechanism,
    session: Session,
    log: Path | None = None,
) -> StartLife:
    """Return what starts the lives of an arm; it raises UsageError and HarnessError where one cannot be started.

    They print to ``log``, by default that of the arm among the logs of the run.
    """
    log = log or session.logs / f"{plan.name}.log"
    container = plan.container

    def start_process(number: int) -> tuple[Running, LifeLimit]:
        limit: LifeLimit = Unlimited()
        if limit_bytes is not None:
            limit = mechanism.life(f"{plan.name}-{number}", limit_bytes)
        try:
            return session.machine.spawn(plan.process, log, session.guard, limit.procs), limit
        except SoakError:
            limit.close()
            raise

    if container is None:
        return start_process
    return lambda number: _start_container(plan, container, number, log, session)


def _start_container(
    plan: ArmPlan, container: ContainerSpec, number: int, log: Path, session: Session
) -> tuple[Running, LifeLimit]:
    engine = container.image.engine
    try:
        container.write_env_file()
    except OSError as error:
        raise HarnessError(f"{container.env_file}: cannot be written ({error.strerror}).") from error
    spec = replace(
        plan.process,
        argv=container.argv(number),
        cwd=container.env_file.parent,  # podman's monitor writes a file "oom" where its client was started
        container=(engine, container.name(number)),
    )
    client = session.machine.spawn(spec, log, session.guard)
    limit: LifeLimit = Unlimited()
    if container.limit_bytes is not None:
        limit = ContainerLimit(engine, f"arms.{plan.name}.image", container.limit_bytes)
    return ContainerChild(client, container, number, Engine(engine, engine), session.guard), limit


def what_to_fix(name: str, *, is_container: bool, is_copy: bool) -> str:
    """Return what to do about an arm whose first life does not get ready."""
    if is_copy:
        return (
            "It is a copy of the candidate, with a port of its own but the same files and database: make the "
            "command of the candidate start twice, or set judge.control to an arm with a known leak"
        )
    keys = "image, .args, .options, .ready or limit.memory" if is_container else "command or .ready"
    return f"Fix arms.{name}.{keys} in the profile"


def why_no_probe(pid: int, missing: str) -> str:
    """Return why a container that is ready has no probe, "" where it has one.

    ``missing`` is what is known without its environment: an entry point may have left the socket of a probe behind.
    """
    path = environment_value(pid, "PYTHONPATH")
    if path is not None and PROBE_INSIDE not in path.split(":"):
        return f"the image's entry point sets PYTHONPATH without {PROBE_INSIDE}; let it keep what was there"
    return missing
