"""What refuses a census before a process is looked at."""

from __future__ import annotations

import os

import pytest

from soak.heap.census import take_census
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.errors import HeapError


def test_a_census_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layouts were tested on x86-64 alone; memory is read there all the same, as remote debugging needs it."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(
        HeapError, match="the census is for x86-64 only, and this is aarch64: its layouts were tested"
    ):
        take_census(os.getpid())
    with ProcessMemory(os.getpid()) as memory:
        assert memory.maps
