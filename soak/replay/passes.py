"""The passes of a replay: what the target is instrumented with in one more life of it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak.config.profile import Profile, ReplaySettings
from soak.contract import BY_MEMRAY, BY_TRACEMALLOC, MOST_CAPTURE_BYTES
from soak.process.probe_injection import NATIVE_VARIABLE, TRACE_VARIABLE


@dataclass(frozen=True, slots=True)
class Pass:
    """One kind of instrumentation, which the probe carries out."""

    name: str
    """One of ``contract.PASSES``."""
    variables: Callable[[Path, Sequence[Path]], Mapping[str, str]]
    """Variables of the target by which its probe makes it, and does nothing else, by its raw directory and those of
    ``packages``, as the target has them."""
    packages: tuple[Path, ...] = ()
    """Directories with packages that the probe may import."""
    needs_all: bool = True
    """Whether it is refused where one process cannot be instrumented; else the others are taken without it."""


def python_pass(settings: ReplaySettings) -> Pass:
    """Return the pass by tracemalloc."""
    variables = {TRACE_VARIABLE: str(settings.frames)}
    return Pass(BY_TRACEMALLOC, lambda _raw, _packages: variables)


def native_pass(profile: Profile) -> Pass:
    """Return the pass by memray: that of the target, or else of ours, or else where the profile has it."""
    found, configured = importlib.util.find_spec("memray"), profile.replay.memray
    packages = [] if found is None or not found.origin else [Path(found.origin).parents[1]]
    packages += [] if configured is None else [profile.directory / configured]
    return Pass(BY_MEMRAY, _native_variables, tuple(packages), needs_all=False)


def _native_variables(raw: Path, packages: Sequence[Path]) -> Mapping[str, str]:
    wanted = {"directory": str(raw), "most_bytes": MOST_CAPTURE_BYTES, "memray": [*map(str, packages)]}
    return {NATIVE_VARIABLE: json.dumps(wanted)}
