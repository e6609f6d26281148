"""Starts the probe in a process whose environment asks for it, then makes room as if it had never been here.

Python runs this file because its directory is on ``PYTHONPATH``. ``SOAK_PROBE_DIR`` names the private directory in
which the probe puts its socket; without it nothing is started. The ``sitecustomize`` that would have run without us,
if there is one, runs after.
"""

from __future__ import annotations

import os
import sys


def _start_probe() -> None:
    directory = os.environ.get("SOAK_PROBE_DIR")
    if not directory or not _is_main_interpreter():
        return
    try:
        import soak_probe

        soak_probe.start(directory)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the probe, the target must run
        if sys.stderr is not None:
            sys.stderr.write(f"soak_probe: pid {os.getpid()} is not probed: {error}\n")


def _is_main_interpreter() -> bool:
    """Return whether this is no subinterpreter: it has the same pid, and would take the socket of the process.

    The interpreter's own modules for it have other names in each version; what only the main one may do is the same.
    """
    import _signal  # type: ignore[import-not-found]

    try:
        wakeup_fd = _signal.set_wakeup_fd(-1)
    except ValueError:
        return False
    if wakeup_fd != -1:
        _signal.set_wakeup_fd(wakeup_fd)
    return True


_start_probe()
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
del sys.modules[__name__]
# Another module than this one. Where there is none the error passes: site expects it and goes on in silence.
import sitecustomize  # noqa: E402, F401
