from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soak.contract.clock import RunClock
from soak.limit.base import Unlimited
from soak.sampling.target import Target
from tests.support.scripted_sampler import Bench, FakeProbe, MakeBench, WithWorker


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def _make(clock: RunClock, probe: FakeProbe, **settings: Any) -> Bench:
        made.append(Bench(tmp_path, clock, probe, **settings))
        return made[0]

    yield _make
    made[0].close()


@pytest.fixture
def with_worker() -> Iterator[WithWorker]:
    """Have the sampler sample another process too, one below the arm; returns its pid."""
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as below:  # ends with its input

        def add(bench: Bench, probe: FakeProbe, *, outside_only: bool = False) -> int:
            worker = Target("leaky", below.pid, 2, Unlimited(), probe, outside_only=outside_only)  # type: ignore[arg-type]
            bench.sampler.targets = (*bench.sampler.targets, worker)
            return worker.pid

        yield add
