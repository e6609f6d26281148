"""What a process is, before it is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


def module_argv(module: str, *words: str) -> tuple[str, ...]:
    """Return the command line of one of our own modules; ``-P`` keeps a team's folders of the same name out of it."""
    return (sys.executable, "-P", "-m", module, *words)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to start: all that is known of a process before it exists."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    url: str = ""
    ready: str = ""
    """When it counts as ready, in a form of soak.process.readiness; "" where nobody waits for it."""
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables on top of our own environment. Their values are never recorded."""
