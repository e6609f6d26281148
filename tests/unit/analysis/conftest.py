"""What the tests of the analysis share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.planted_incident import Build, Planted, write_incident


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """A function that writes a run directory from the fields of Planted and returns it."""

    def build(**truth: Any) -> Path:
        return write_incident(tmp_path / "planted", Planted(**truth))

    return build
