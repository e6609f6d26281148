"""What can go wrong with a census."""

from __future__ import annotations

from soak.errors import EXIT_USAGE, SoakError


class HeapError(SoakError):
    """The process is gone, not ours to read, or no Python we know, or the census failed its check."""

    exit_code = EXIT_USAGE


class ProcessGoneError(HeapError):
    """The process ended before or while it was read."""
