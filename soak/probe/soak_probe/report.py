"""The one line on standard error with the reason why a process is not probed."""

from __future__ import annotations

import os
import sys


def report(error: BaseException) -> None:
    """Say why this process is not probed; say nothing where standard error is None, closed or broken."""
    if sys.stderr is not None:
        try:
            text = f"soak_probe: pid {os.getpid()} is not probed: {error}\n"
            # past the buffer: Python would write what is left in it as the target ends, and make its exit code 120
            os.write(sys.stderr.fileno(), text.encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001, S110 - nobody to tell, or no file: that of Celery's log has None as its number
            pass
