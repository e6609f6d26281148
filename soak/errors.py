"""The errors a user can meet, each with its exit code."""

from __future__ import annotations

EXIT_OK = 0
EXIT_HARNESS_FAILED = 1
EXIT_USAGE = 2
EXIT_GATE_FAILED = 3
EXIT_INCONCLUSIVE = 4


class SoakError(Exception):
    """What is wrong, where, and the mend, as one paragraph; ``main`` prints it and exits with ``exit_code``."""

    exit_code = EXIT_HARNESS_FAILED


class UsageError(SoakError):
    """The command line, the profile or the machine does not allow the run; nothing was started."""

    exit_code = EXIT_USAGE


class RecordingError(SoakError):
    """A run directory is missing, cut short beyond use, or of another schema."""

    exit_code = EXIT_USAGE


class HarnessError(SoakError):
    """A part of the harness failed during the run; what was recorded until then is kept."""


class CutShortError(SoakError):
    """The run ended early, but not by a fault of ours: what was recorded is worth a report."""
