"""A commented profile to fill in, for `soak init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from soak.errors import UsageError

PROFILE_TEMPLATE = Path(__file__).parent / "template.toml"
TRIAL: Final = (
    "phases.warmup_s=60",
    "phases.load_s=180",
    "sampling.quiesce_every_s=10",
    "sampling.quiesce_pause_s=1",
    "sampling.census_every_s=10",
    "judge.max_leak=200 B/request",
)
"""Settings of a trial of minutes: a margin per request that it can decide, and enough quiesce points and censuses."""


def trial_command(path: Path) -> str:
    """Return the command of a trial of minutes, indented, in lines of at most 120 columns."""
    settings = [f"--set {shlex.quote(setting)}" for setting in TRIAL]
    return (
        f"    soak run {shlex.quote(str(path))} {' '.join(settings[:3])} \\\n        {' '.join(settings[3:])}"
    )


def write_profile(path: Path) -> None:
    """Write the commented profile; raises UsageError when the file exists or cannot be written."""
    if path.suffix != ".toml":
        raise UsageError(f"{path}: a profile's name ends in .toml, for example soak.toml.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(PROFILE_TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and was not changed; give another name: soak init other.toml."
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); give another path.") from error
