"""Runs one of our modules as a process and waits for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from soak.errors import HarnessError

ROOT = Path(__file__).parents[2]


def run_module(what: str, name: str, *words: str, timeout_s: float, done: Collection[int] = (0,)) -> str:
    """Return what ``python -m name words`` prints.

    Raises HarnessError, which calls it ``what``, when its exit code is not in ``done`` or it takes too long.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", name, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{what}: not done after {timeout_s:g} s") from None
    if ended.returncode not in done:
        last = (ended.stderr or ended.stdout).strip()[-500:]
        raise HarnessError(f"{what}: ended with exit code {ended.returncode}: {last}")
    return ended.stdout
