"""What a process is, before it is started."""

from __future__ import annotations

import shutil
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

    def why_not_startable(self) -> tuple[str, str] | None:
        """Return what is missing, ``cwd`` or ``command``, and why with the fix; None where it can be started."""
        if not self.cwd.is_dir():
            return "cwd", f"{self.cwd} is no directory; create it, or name another"
        program = self.argv[0]
        inside = "/" in program
        if shutil.which(str(self.cwd / program) if inside else program, path=self.env.get("PATH")) is None:
            place = f"in {self.cwd}" if inside else "on PATH"
            fix = "give its path, install it, or chmod +x it"
            return "command", f"'{program}' was not found {place}, or may not be executed; {fix}"
        return None
