"""Planned loads and scripted recordings for the tests of this room, and Locust without its patches."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hdrh.log import HistogramLogReader

from locustfiles.counts import new_histogram
from soak.contract import LATENCY_LOG, REQUESTS, IncidentPlan, Traffic

# At import Locust patches the standard library, which other rooms' tests use in the same process.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    import locust  # noqa: F401

TRAFFIC = Traffic(
    seed=7,
    t0_monotonic_s=0.0,
    out_dir="",
    arms={"leaky": "http://127.0.0.1:1", "fixed": "http://127.0.0.1:2"},
    path="/api/{service}",
    services=("orders", "users", "stock"),
    instances_per_hour=50.0,
    instances_live=6,
    hour_s=30.0,
    warmup_s=10.0,
    warmup_rps=5.0,
    warmup_request_bytes=300,
    shape="steady",
    load_s=20.0,
    rate_rps=40.0,
    request_bytes=1500,
    users_per_arm=2,
    max_lateness_s=1.0,
    network_timeout_s=5.0,
    incident=IncidentPlan(
        memory_scale=16.0, retained_bytes_per_request=15_000.0, start_bytes=80e6, limit_bytes=512e6
    ),
)


@pytest.fixture
def make_traffic() -> Callable[..., Traffic]:
    """Return a function that makes a planned load, with some keys replaced."""

    def make(**keys: Any) -> Traffic:
        return replace(TRAFFIC, **keys)

    return make


@dataclass
class ScriptedClock:
    """A clock that moves only when the test sets it."""

    t_s: float = 0.0

    def now(self) -> float:
        """Return the time, seconds."""
        return self.t_s


@pytest.fixture
def clock() -> ScriptedClock:
    """Return a clock at 0."""
    return ScriptedClock()


@pytest.fixture
def fill_disk() -> Callable[[Path], None]:
    """Return a function after which writes to an open file of this process fail as on a full disk."""

    def fill(path: Path) -> None:
        with Path("/dev/full").open("w") as full:
            for link in Path("/proc/self/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # the descriptor of this listing
                    if link.readlink() == path:
                        os.dup2(full.fileno(), int(link.name))

    return fill


@pytest.fixture
def read_rows() -> Callable[[Path], list[dict[str, str]]]:
    """Return a function that reads an arm's requests.csv."""

    def read(directory: Path) -> list[dict[str, str]]:
        with (directory / REQUESTS).open(newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture
def read_intervals() -> Callable[[Path], list[tuple[str, float, float, int]]]:
    """Return a function that reads tag, start, end and count of each interval of an arm's latency.hlog."""

    def read(directory: Path) -> list[tuple[str, float, float, int]]:
        reader = HistogramLogReader(str(directory / LATENCY_LOG), new_histogram())
        try:
            return [
                (
                    h.get_tag(),
                    h.get_start_time_stamp() / 1000,
                    h.get_end_time_stamp() / 1000,
                    h.get_total_count(),
                )
                for h in iter(reader.get_next_interval_histogram, None)
            ]
        finally:
            reader.close()

    return read
