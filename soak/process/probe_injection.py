"""Where the probe lies, and the variables that bring it into the target."""

from __future__ import annotations

from pathlib import Path

PROBE_PATH = Path(__file__).parents[1] / "probe"
PROBE_DIRECTORY_VARIABLE = "SOAK_PROBE_DIR"
INJECT_VARIABLE = "SOAK_PROBE_INJECT"
"""Variable that permits the probe to inject a leak; set in the copy that is the control alone."""
NATIVE_VARIABLE = "SOAK_PROBE_NATIVE"
"""Variable with what the probe captures of native allocations, as ``soak_probe.native`` has it; of a replay alone."""
TRACE_VARIABLE = "SOAK_PROBE_TRACE"
"""Variable with the frames of a traceback, by which the probe can trace every allocation; set in a replay alone."""
