"""The probe enters other people's processes: it may import nothing but the standard library and itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PROBE = ROOT / "soak" / "probe"
SOURCES = sorted(PROBE.rglob("*.py"))


def _imported(source: Path) -> set[str]:
    """Return the top-level packages a module imports anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(PROBE).as_posix())
def test_the_probe_needs_the_standard_library_alone(source: Path) -> None:
    """A target lacks our packages; import-linter does not see the probe, which is no package of ours."""
    assert _imported(source) - set(sys.stdlib_module_names) <= {"soak_probe", "sitecustomize"}
