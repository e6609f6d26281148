"""The one line on standard error with the reason why a process is not probed."""

from __future__ import annotations

import os
import sys


def report(error: BaseException) -> None:
    """Say why this process is not probed; say nothing where standard error is None, closed or broken."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(f"soak_probe: pid {os.getpid()} is not probed: {error}\n")
        except (OSError, ValueError):
            pass  # there is nobody to tell
