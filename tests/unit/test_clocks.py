"""What measures or waits reads the monotonic clock: the wall clock steps, by NTP, by hand, after a suspend."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LABELS = {
    "analysis/commands/judge.py": "the end of what Prometheus is asked for, by whose clock its samples are",
    "analysis/commands/requests.py": "the same, of a query that is tried before it is needed",
    "soak/contract/clock.py": "the column wall_time",
    "soak/heap/census.py": "the wall time of a census; its age is monotonic",
    "soak/probe/soak_probe/native.py": "an instant of a capture, by whose clock its samples are",
    "soak/supervisor/attach.py": "the name of the run directory, and its start",
    "soak/supervisor/launch.py": "the name of the run directory",
    "soak/supervisor/manifest.py": "the start of the run",
}
"""Modules that may read the wall clock, and what for: for people or Prometheus; no duration is measured with it."""
WALL = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "datetime.now", "datetime.utcnow",
        "datetime.today", "date.today"}  # fmt: skip


def wall_clocks(path: Path) -> Iterator[str]:
    """Yield the wall clocks that a module names, called or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            if name in WALL:
                yield name
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"time.{one.name}" for one in node.names if f"time.{one.name}" in WALL)


@pytest.mark.parametrize("package", ["soak", "analysis", "locustfiles", "stubs"])
def test_the_wall_clock_is_for_labels_only(package: str) -> None:
    """A module that needs one is listed here with its reason."""
    found = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py") if any(wall_clocks(path))
    }
    assert found == {name for name in LABELS if name.startswith(f"{package}/")}
