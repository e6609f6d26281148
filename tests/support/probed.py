"""Programs of their own that ask the probe, on any Python of this machine: a wrong question may end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.pythons import find_interpreter

TIMEOUT_S = 100


def run_probed(program: str, version: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program, whose first argument is where the probe's package lies, to its end.

    Skips the test where there is no Python of that version; without one it is this Python.
    """
    python = find_interpreter(version) if version else sys.executable
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    command = [python, "-c", program, str(ROOT / "soak" / "probe")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
