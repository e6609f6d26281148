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
    if not directory:
        return
    try:
        import soak_probe

        soak_probe.start(directory)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the probe, the target must run
        if sys.stderr is not None:
            sys.stderr.write(f"soak_probe: pid {os.getpid()} is not probed: {error}\n")


_start_probe()
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
del sys.modules[__name__]
# Another module than this one. Where there is none the error passes: site expects it and goes on in silence.
import sitecustomize  # noqa: E402, F401
