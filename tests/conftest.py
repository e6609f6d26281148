"""What holds for all tests: Ctrl-C, and who runs what where several workers share the machine."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Generator
from functools import cache

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# A shell that starts the tests in the background has SIGINT ignored, and so would every run that they start: those
# that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each process of a run would compile all of our modules anew where this is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# As in the analysis, also where something else loads numpy first: two threads take half as much processor time again.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# On a machine that is shared the time of one example is no claim of a property; a test has its time-out.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# Whole runs wait most of their time, and measure real time: they run in two lanes, a worker each. No two tests of the
# first, which assert latencies and that nothing was late, meet; what runs beside it yields the processor.
LANES: dict[str, tuple[str, ...]] = {
    "lateness": (
        "tests/load/test_endpoints.py",
        "tests/load/test_installed.py",
        "tests/load/test_planned_mix.py",
        "tests/load/test_rogue_answers.py",
        "tests/load/test_soak.py",
        "tests/load/test_websockets.py",
    ),
    "load": ("tests/load/", "tests/browser/test_web_ui.py"),
}
NICENESS = {"lateness": 0, "load": 5, None: 10}
"""By lane; the rest has its share beside them, as its tests wait for answers of processes within a second or less."""


def lane_of(nodeid: str) -> str | None:
    """Return the lane in which a test drives load."""
    return next((lane for lane, files in LANES.items() if nodeid.startswith(files)), None)


class Scheduling(LoadFileScheduling):
    """Gives each lane to one worker, and each file of other tests to whoever is free.

    (``--dist loadgroup`` would do, but ignores its groups since pytest 9.2: pytest-xdist issue 1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid) or super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    config.option.loadscopereorder = False  # the order of the collection is by time, not by number of tests
    return Scheduling(config, log)


def place_of(item: pytest.Item) -> int:
    """Return the place of a test's lane; all other tests come after the lanes."""
    return list(NICENESS).index(lane_of(item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the lanes, so that a worker that has begun with other tests is never given load."""
    items.sort(key=place_of)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what is there before the first test out of all garbage collections: 0.3 s each in a worker.

    While it is made there is none either: modules and tests are not garbage.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a worker the priority of its lane, which is no other worker's, or that of the rest."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return
    lane = lane_of(item.nodeid)
    if lane is not None:
        _claim(f"\0soakproof-{lane}-{run}", item.config)
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS[lane], os.getpriority(os.PRIO_PROCESS, 0)))


@cache
def _claim(address: str, config: pytest.Config) -> None:
    """Keep a lane until the end; raises OSError where another worker has it."""
    claim = socket.socket(socket.AF_UNIX)
    config.add_cleanup(claim.close)
    claim.bind(address)
