"""Imports point one way: down the floors of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROOMS = ("analysis", "bench", "gateway", "locustfiles", "soak", "stubs")

ALLOWED = {
    "bench": {"analysis", "bench", "soak"},
    "gateway": {"gateway"},
    "stubs": {"stubs"},
    "locustfiles": {"locustfiles", "soak.contract"},
    "analysis": {"analysis", "soak.contract", "soak.errors"},
    "soak/contract/files.py": set[str](),
    "soak/errors.py": set[str](),
    "soak/process/exec_child.py": set[str](),
    "soak/process/guard.py": set[str](),
    "soak/probe": {"soak_probe"},
    "soak/heap/recorder.py": {"soak.contract", "soak.errors", "soak.heap", "soak.recording"},
    "soak/heap": {"soak.errors", "soak.heap", "soak.process.procfs"},
    "soak/limit": {"soak.errors", "soak.process.guard", "soak.limit", "soak.process.procfs"},
    "soak/config/profile.py": {"soak.contract", "soak.errors", "soak.config.units", "soak.process.readiness"},
    "soak/config/load.py": {"soak.config.profile", "soak.errors"},
    "soak/sampling/holders.py": {"soak.heap.model", "soak.probe_client"},
    "soak/process/readiness.py": set[str](),
    "soak/process/procfs.py": set[str](),
    "soak/recording/files.py": {"soak.contract", "soak.errors"},
    "soak/sampling/sampler.py": {
        "soak.contract", "soak.errors", "soak.heap.model", "soak.sampling.holders", "soak.limit", "soak.probe_client",
        "soak.process.procfs", "soak.recording",
    },
}  # fmt: skip
"""What each place may import of ours; a place that is not listed may import all of soak but analysis."""


def _ours(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        for module in modules:
            if module.split(".")[0] in (*ROOMS, "soak_probe"):
                yield module


def _wrong_imports(source: Path) -> list[str]:
    relative = source.relative_to(ROOT).as_posix()
    place = next((place for place in ALLOWED if relative == place or relative.startswith(f"{place}/")), None)
    allowed = ALLOWED[place] if place else {"soak"}
    return [
        module
        for module in _ours(source)
        if not any(f"{module}.".startswith(f"{name}.") for name in allowed)
        and not (relative == "soak/cli/analysis_process.py" and module.startswith("analysis."))
    ]


SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down_the_floors(source: Path) -> None:
    """A module imports only what stands below it; one place of the runner reaches the analysis."""
    assert _wrong_imports(source) == []


def test_pandas_and_matplotlib_load_in_the_analysis_alone() -> None:
    """A run never pays for plotting libraries; the benchmark of the report is no run."""
    heavy = ("pandas", "matplotlib")
    outside = [path for path in SOURCES if not {"analysis", "bench"} & set(path.parts)]
    found = [
        f"{path}: {name}"
        for path in outside
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name]
        if name.split(".")[0] in heavy
    ]
    assert found == []
