"""What the manifest of a run says, as far as a report needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from soak.contract import MANIFEST, SCHEMA_VERSION
from soak.errors import RecordingError


class ManifestArm(BaseModel):
    """One target build of the run."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1)
    role: Literal["before", "after", ""]
    memory_limit_bytes: int | None


class Manifest(BaseModel):
    """The keys of ``manifest.json`` that a report uses; others are let through unread."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    profile: str
    started_wall_time: AwareDatetime
    status: Literal["running", "complete", "interrupted", "failed"]
    status_detail: str
    arms: tuple[ManifestArm, ...] = Field(min_length=1)
    limit_mechanism: str
    hour_s: float = Field(gt=0, allow_inf_nan=False)
    """Seconds that an hour of the article takes."""
    memory_scale: float = Field(gt=0, allow_inf_nan=False)
    """The article's bytes are divided by this."""
    article: bool
    """Whether the profile reproduces the article's incident."""
    planned_load_s: float
    """0 where whoever stops the load plans it."""
    every_s: float = Field(gt=0, allow_inf_nan=False)
    """Seconds between two samples."""
    missed_readings: dict[str, dict[str, int]]
    """By arm and reading; empty until the run has ended."""
    python: str


def read_manifest(run_dir: Path) -> Manifest:
    """Read ``manifest.json``; raises RecordingError when it is missing, damaged or of another schema."""
    path = run_dir / MANIFEST
    if not run_dir.is_dir():
        raise RecordingError(
            f"{run_dir}: no such run directory; give one that `soak run` made, or runs/latest."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: missing, so {run_dir} is no run directory; give one that `soak run` made."
        ) from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: not readable ({error}); restore it or repeat the run.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordingError(
            f"{path}: schema_version is {version!r}, this version reads {SCHEMA_VERSION}; "
            "make the report with the version that made the recording."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordingError(
            f"{path}: key {key}: {first['msg']}; restore the file or repeat the run."
        ) from None
