"""Where the tests find what is no module: the repository, and texts they expect."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EXPECTED: Final = ROOT / "tests" / "unit" / "analysis" / "report" / "expected"
