"""What holds for all tests: Ctrl-C, and who runs what where several workers share the machine."""

from __future__ import annotations

import os
import signal
import socket
from functools import cache

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A shell that starts the tests in the background has SIGINT ignored, and so would every run that they start: those
# that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whole runs measure real time: they run one after the other, and what runs beside them yields the processor.
DRIVES_LOAD = ("tests/load/", "tests/browser/")
# One fixture that computes for half a minute serves all of its tests.
IN_ONE_PIECE = ("tests/calibration/test_calibration.py", "tests/integration/test_pod.py")


class Scheduling(LoadScopeScheduling):
    """Gives all tests that drive load to one worker, and each other test to whoever is free.

    The largest scope comes first, so a worker that has begun with other tests is never given load.
    (``--dist loadgroup`` would do, but ignores its groups since pytest 9.2: pytest-xdist issue 1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(DRIVES_LOAD):
            return "load"
        return nodeid.partition("::")[0] if nodeid.startswith(IN_ONE_PIECE) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Any worker but the one that drives load has a low priority."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return
    if item.nodeid.startswith(DRIVES_LOAD):
        _claim(f"\0soakproof-load-{run}", item.config)
    else:
        os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))


@cache
def _claim(address: str, config: pytest.Config) -> None:
    """Keep the right to drive load until the end; raises OSError where another worker has it."""
    claim = socket.socket(socket.AF_UNIX)
    config.add_cleanup(claim.close)
    claim.bind(address)
