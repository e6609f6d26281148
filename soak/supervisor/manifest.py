"""The manifest: what ran, where, with which configuration. None of it secret."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from soak import contract
from soak.containers.engine import Image
from soak.contract import candidate_arm, compared_arms
from soak.contract.units import LeakRate
from soak.errors import UsageError
from soak.limit.choose import Choice
from soak.plan.arm_plan import ArmPlan
from soak.plan.run_plan import RunPlan
from soak.process.named_files import digests
from soak.regular_files import read_regular
from soak.supervisor.revision import git_revision

RECORDED_PACKAGES = (
    "aiohttp",
    "fastapi",
    "hdrhistogram",
    "locust",
    "numpy",
    "pandas",
    "psutil",
    "uvicorn",
    "uvloop",
)


def host_facts() -> dict[str, Any]:
    """Return what makes two runs comparable: machine, kernel, Python, libc, packages and our own revision."""
    return {
        "libc": " ".join(platform.libc_ver()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "soakproof_revision": git_revision(Path(contract.__file__).parent, "__init__.py"),
        "packages": {name: metadata.version(name) for name in RECORDED_PACKAGES},
    }


def judge_facts(
    roles: Mapping[str, str],
    max_leak: LeakRate | None,
    min_time_to_oom_s: float | None = None,
    candidate: str = "",
    control: str = "",
) -> dict[str, Any]:
    """Return what is judged and by which margin, so that a report needs no profile; ``roles`` is by arm.

    ``judge`` holds what was asked for; ``candidate``, ``baseline`` and ``margin`` what that means for this run.
    """
    margin = {
        "max_leak_bytes_per_s": max_leak.per_s if max_leak else None,
        "max_leak_bytes_per_request": max_leak.per_request if max_leak else None,
        "min_time_to_oom_s": min_time_to_oom_s,
    }
    return {
        "judge": {**margin, "candidate": candidate, "control": control},
        "candidate": candidate_arm(roles, candidate),
        "baseline": compared_arms(roles)[0],
        "margin": margin,
    }


def locustfile_sha256(locustfile: str) -> str | None:
    """Return the hash of the file's content, which differs between runs under different loads; None without a file."""
    if not locustfile:
        return None
    try:
        return hashlib.sha256(read_regular(Path(locustfile), follow=True)).hexdigest()
    except OSError as error:
        raise UsageError(
            f"traffic.locustfile: {locustfile} cannot be read ({error.strerror}); make it readable."
        ) from None


def _image_facts(image: Image) -> dict[str, str]:
    """Return what ran an arm's container, and by which name its image was asked for."""
    return {"engine": image.engine, "name": image.name}


def build_of(arm: ArmPlan) -> str | None:
    """Return what is soaked: an image's id or the revision of a command's directory; None where neither is known."""
    if arm.metrics:
        return None
    return arm.container.image.id if arm.container else git_revision(arm.process.cwd)


def _files(arm: ArmPlan) -> dict[str, str] | None:
    """Return the digests of the files that the command of an arm names; None where they are not known."""
    return None if arm.metrics or arm.container else digests(arm.process.argv, arm.process.cwd)


def run_manifest(plan: RunPlan, choice: Choice) -> dict[str, Any]:
    """Return the facts of the run; environment variables by name only, as their values may be secret.

    Raises UsageError when the profile's locustfile cannot be read.
    """
    profile, judge = plan.profile, plan.profile.judge
    copies = [arm.name for arm in plan.arms if arm.injected]
    limited_by = {
        arm.container.image.engine if arm.container else choice.mechanism.name: None
        for arm in plan.arms
        if not arm.metrics
    }
    if profile.limit.memory is None:
        limited_by = {}
    environments = {arm.name: arm.environment_names for arm in plan.arms}
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "run_id": plan.run_directory.name,
        "profile": profile.name,
        "profile_file": str(profile.directory / f"{profile.name}.toml"),
        "started_wall_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "arms": [
            {
                "name": arm.name,
                "role": arm.role,
                "memory_limit_bytes": None if arm.metrics else profile.limit.memory,
                "build": build_of(arm),
                **({"files": files} if (files := _files(arm)) is not None else {}),
                **({"url": arm.process.url, "metrics": arm.metrics} if arm.metrics else {}),
                **({"image": _image_facts(arm.container.image)} if arm.container else {}),
                **({"injected": asdict(arm.injected)} if arm.injected else {}),
            }
            for arm in plan.arms
        ],
        "limit_mechanism": ", ".join(limited_by) or "none",
        "limit_mechanisms_refused": list(choice.refused) if choice.mechanism.name in limited_by else [],
        "incident": profile.incident,
        "hour_s": profile.scale.hour_s,
        "memory_scale": profile.scale.memory,
        "planned_load_s": 0
        if plan.locust.url
        else profile.phases.load_s,  # in the web UI, whoever stops it plans
        "every_s": profile.sampling.every_s,
        "seed": profile.traffic.seed,
        "locustfile_sha256": locustfile_sha256(plan.traffic.locustfile),
        **judge_facts(
            {arm.name: arm.role for arm in plan.arms},
            judge.margin,
            judge.min_time_to_oom,
            judge.candidate,
            "".join(copies) if judge.control == contract.INJECT else judge.control,
        ),
        "gates": [asdict(limit) for limit in profile.gates.limits],
        "config": profile.model_dump(mode="json", exclude={"directory": True, "arms": {"__all__": {"env"}}}),
        "processes": [
            {
                "name": process.name,
                "argv": list(process.argv),
                "environment_names": environments.get(process.name, sorted(process.env)),
            }
            for process in plan.processes
        ],
        "hashed": True,
        "python": platform.python_version(),
        "host": host_facts(),
    }
