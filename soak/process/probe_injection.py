"""Where the probe lies, and the variable that brings it into the target."""

from __future__ import annotations

from pathlib import Path

PROBE_PATH = Path(__file__).parents[1] / "probe"
PROBE_DIRECTORY_VARIABLE = "SOAK_PROBE_DIR"
