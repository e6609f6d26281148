"""The provenance of a report: what ran, on which machine, with which configuration."""

from __future__ import annotations

import json
from typing import Any

from analysis.formatting import format_bytes, format_duration
from analysis.recording.manifest import Manifest
from analysis.recording.model import Recording


def provenance(recording: Recording) -> tuple[tuple[str, str], ...]:
    """Return names and values, without those that the manifest does not have."""
    manifest, host = recording.manifest, recording.manifest.host
    load = recording.load
    memory = host.get("memory_bytes")
    packages = host.get("packages")
    found: tuple[tuple[str, Any], ...] = (
        ("run", manifest.run_id),
        ("profile", manifest.profile),
        *_asked(manifest),
        ("started", f"{manifest.started_wall_time:%Y-%m-%d %H:%M:%S} UTC"),
        ("status", f"{manifest.status}{f': {manifest.status_detail}' if manifest.status_detail else ''}"),
        ("load", None if load is None else format_duration(load.end_s - load.start_s)),
        ("seed", manifest.seed),
        ("memory limit", _limits(recording)),
        ("soakproof, git revision", host.get("soakproof_revision")),
        ("Python", manifest.python),
        ("packages", _joined(packages) if isinstance(packages, dict) else None),
        ("kernel", host.get("kernel")),
        ("libc", host.get("libc")),
        ("machine", host.get("machine")),
        ("processors", host.get("cpus")),
        ("memory", format_bytes(memory) if isinstance(memory, int | float) else None),
        ("locustfile, SHA-256", manifest.locustfile_sha256),
        *((f"build of {arm.name}", arm.build) for arm in recording.arms),
        *(
            (f"image of {arm.name}", f"{arm.image.name}, by {arm.image.engine}")
            for arm in manifest.arms
            if arm.image
        ),
        *((f"command of {name}", command) for name, command in _commands(manifest.config)),
    )
    return tuple((name, str(value)) for name, value in found if value not in (None, ""))


def _asked(manifest: Manifest) -> tuple[tuple[str, Any], ...]:
    """Return what Prometheus was asked."""
    asked = manifest.prometheus
    if asked is None:
        return ()
    return (
        ("Prometheus", asked.url),
        ("memory", asked.query),
        ("requests", asked.requests_query),
        ("start times", asked.start_query),
    )


def config_text(recording: Recording) -> str:
    """Return the profile as it ran, JSON; empty for an attached run."""
    config = recording.manifest.config
    return json.dumps(config, indent=1, ensure_ascii=False) if config else ""


def _limits(recording: Recording) -> str:
    sizes = sorted({arm.limit_bytes for arm in recording.arms if arm.limit_bytes})
    if not sizes:
        return "none"
    return f"{' and '.join(format_bytes(size) for size in sizes)} per arm ({recording.manifest.limit_source})"


def _joined(packages: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def _commands(config: dict[str, Any]) -> list[tuple[str, str]]:
    arms = config.get("arms")
    commands = (
        []
        if not isinstance(arms, dict)
        else [(name, arm) for name, arm in arms.items() if isinstance(arm, dict)]
    )
    return [
        (str(name), " ".join(str(part) for part in arm["command"]))
        for name, arm in commands
        if isinstance(arm.get("command"), list)
    ]
