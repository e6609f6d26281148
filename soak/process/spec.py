"""What a process is, before it is started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LONGEST_WORD: Final = 32 * 4096 - 1
"""Bytes of one word or variable that execve(2) takes."""


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
    container: tuple[str, str] | None = None
    """Engine and name of the container that it runs, which outlives it; None for a process without one."""

    def why_not_startable(self) -> tuple[str, str] | None:
        """Return what is missing, ``cwd`` or ``command``, and why with the fix; None where it can be started."""
        if not os.path.isdir(self.cwd):  # noqa: PTH112 - Path.is_dir raises for a name too long
            return "cwd", f"{self.cwd} is no directory; create it, or name another"
        if (long := self.why_too_long()) is not None:
            return long
        program = self.argv[0]
        inside = "/" in program
        if shutil.which(str(self.cwd / program) if inside else program, path=self.env.get("PATH")) is None:
            place = f"in {self.cwd}" if inside else "on PATH"
            fix = "give its path, install it, or chmod +x it"
            return "command", f"'{program}' was not found {place}, or may not be executed; {fix}"
        return None

    def why_too_long(self) -> tuple[str, str] | None:
        """Return what is longer than execve(2) takes, ``command`` or ``env``, and why with the fix; else None."""
        words = [os.fsencode(word) for word in self.argv]
        environment = {**os.environ, **self.env}
        variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        for key, texts in (("command", words), ("env", variables)):
            if (longest := max(map(len, texts))) > LONGEST_WORD:
                what = "a word" if key == "command" else "a variable"
                return (
                    key,
                    f"{what} has {longest:,} bytes, and Linux takes at most {LONGEST_WORD:,}; use a file",
                )
        in_all, most = sum(len(text) + 9 for text in (*words, *variables)), most_bytes()
        if in_all > most:
            more = "command" if sum(map(len, words)) > most / 2 else "env"
            return (
                more,
                f"command and environment have {in_all:,} bytes, and Linux takes at most {most:,}; use a file",
            )
        return None


def most_bytes() -> int:
    """Return the bytes of words and environment that execve(2) takes, less a reserve for the launcher's words."""
    return min(os.sysconf("SC_ARG_MAX"), 6 << 20) - (16 << 10)
