"""Runs one of our modules as a process and waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from soak.errors import HarnessError

ROOT = Path(__file__).parents[2]


def run_module(what: str, name: str, *words: str, timeout_s: float) -> str:
    """Return what ``python -m name words`` prints.

    Raises HarnessError, which calls it ``what``, when it fails or takes too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", name, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{what}: not done after {timeout_s:g} s") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-500:]
        raise HarnessError(f"{what}: ended with exit code {done.returncode}: {last}")
    return done.stdout
