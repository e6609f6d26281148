"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest

# A shell that starts the tests in the background has SIGINT ignored, and so would every run that they start: those
# that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that drive load have the processor when they want it: what runs beside them on another worker yields.

    They are the largest group, and that comes first: a worker that has begun with other tests gets none of them.
    """
    group = item.get_closest_marker("xdist_group")
    if "PYTEST_XDIST_WORKER" in os.environ and (group is None or group.args != ("load",)):
        os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))
