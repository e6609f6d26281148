"""Starts the probe in a process whose environment asks for it, then makes room as if it had never been here.

Python runs this file because its directory is on ``PYTHONPATH``. ``SOAK_PROBE_DIR`` names the private directory in
which the probe puts its socket; without it nothing is started. The ``sitecustomize`` that would have run without us,
if there is one, runs after. Every child of the target reads this file, those of Python 2.7 and 3.6 too, so that it has
no syntax of later ones.
"""

import os
import sys


def _start_probe():
    # type: () -> None
    directory = os.environ.get("SOAK_PROBE_DIR")
    if not directory or sys.version_info < (3, 9) or not _is_main_interpreter():
        return
    try:
        import soak_probe

        soak_probe.start(directory)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the probe, the target must run
        _report(error)


def _report(error):
    # type: (Exception) -> None
    """Say why there is no probe; say nothing where standard error is None, closed or broken.

    What the probe has for it may be what cannot be imported. Nothing is left in a buffer, which Python would try to
    write again as the target ends, and make its exit code 120.
    """
    try:
        if sys.stderr is not None:
            text = "soak_probe: pid " + str(os.getpid()) + " is not probed: " + str(error) + "\n"
            os.write(sys.stderr.fileno(), text.encode("utf-8", "backslashreplace"))
    except (OSError, ValueError):
        pass  # there is nobody to tell


def _is_main_interpreter():
    # type: () -> bool
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
