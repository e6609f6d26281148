from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.pythons import find_interpreter

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
PROGRAMS = (
    *((version, "c") for version in VERSIONS),
    *((version, "python") for version in ("3.11", "3.15")),
    *((version, "eager") for version in ("3.12", "3.14")),
    ("3.11", "uvloop"),
)
"""Pythons, and tasks of C or Python, or begun at once, or of another loop."""


def _found(version: str, mode: str) -> dict[str, Any]:
    """Return what the program of all kinds prints; skips what this machine cannot run."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    if mode == "uvloop" and (python != sys.executable or not find_spec("uvloop")):
        pytest.skip("no uvloop for this Python")
    printed = subprocess.run(
        [python, "-m", "tests.support.waits", mode],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=True,
    ).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("version", "mode"), PROGRAMS)
def test_exactly_what_is_lost_is_stuck(version: str, mode: str) -> None:
    """Of more than 50 kinds of legitimate waits none is called stuck, and every task of the lost ones is.

    On CPython 3.12.0 and 3.12.1 it would not end if a module were entered, see gh-122695.
    """
    found = _found(version, mode)
    assert found["quiet"]
    assert len(found["legitimate"]) > 50
    assert {name for name in found["legitimate"] if not found["pending"].get(name)} == set()
    assert found["stuck"] == found["expected"]
