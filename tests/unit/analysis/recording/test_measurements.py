from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.recording.measurements import Measurement, memory_under_load
from analysis.recording.model import Recording
from analysis.recording.read import read_recording
from tests.support import run_directory

MIB = 2**20
LOAD_FROM_S = 100.0
DRAIN_S = 60.0
Memory = Callable[[float], float]
"""MiB at seconds of the load: negative before it."""


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Recording]:
    """A function that records one arm with this memory, in a load of ``load_s``, a row each ``every_s``."""

    def record(memory: Memory, load_s: float, every_s: float = 1.0) -> Recording:
        drain_s = LOAD_FROM_S + load_s
        phases = {"idle": 0.0, "warm-up": 50.0, "load": LOAD_FROM_S, "drain": drain_s}
        rows = [
            {
                "t_s": t_s,
                "arm": "shop",
                "pid": 100,
                "life": 1,
                "phase": [name for name, start_s in phases.items() if start_s <= t_s][-1],
                "rss_bytes": round(MIB * memory(t_s - LOAD_FROM_S)),
            }
            for t_s in np.arange(1.0, drain_s + DRAIN_S, every_s)
        ]
        manifest = run_directory.manifest(
            {"shop": ""}, load_s, profile="shop", every_s=every_s, incident=False
        )
        events = run_directory.events(phases, drain_s + DRAIN_S, ["shop"])
        return read_recording(
            run_directory.write_run(tmp_path / "run", manifest, events, {"shop": (rows, [])})
        )

    return record


def ends(recording: Recording) -> list[float | None]:
    """Return the memory at the start and at the end of the load, MiB."""
    read = (memory_under_load(recording, recording.arms[0], at_end=at_end) for at_end in (False, True))
    return [None if one.value is None else one.value / MIB for one in read]


def test_a_short_load_has_the_memory_of_its_own_ends(recorded: Callable[..., Recording]) -> None:
    """60 MiB that a load of 60 s gains are in its ends, to the first and last second; warm-up and drain are not."""

    def memory(loaded_s: float) -> float:
        return 10.0 if loaded_s < 0 else 100.0 + loaded_s if loaded_s < 60 else 20.0

    assert ends(recorded(memory, 60.0)) == pytest.approx([100.5, 158.5], abs=0.6)


def test_a_load_without_growth_has_the_same_memory_at_both_ends(recorded: Callable[..., Recording]) -> None:
    """And one reading that sticks out, at the first second of a load of an hour, is not its start."""
    assert ends(recorded(lambda loaded_s: 400.0 if loaded_s == 0 else 100.0, 3600.0)) == [100.0, 100.0]


def test_rows_that_are_far_apart_have_an_end_each(recorded: Callable[..., Recording]) -> None:
    """With a row each 20 s the ends of a load of 3 minutes are readings, not unknown."""
    assert ends(recorded(lambda loaded_s: 100.0 + loaded_s, 180.0, 20.0)) == pytest.approx(
        [111.0, 271.0], abs=11.0
    )


def test_a_load_of_days_has_the_memory_around_its_ends_alone(recorded: Callable[..., Recording]) -> None:
    """Of ten hours a hundredth would be six minutes: no more than 72 s count, and of a ramp the ends come out."""
    hours = 10 * 3600.0
    assert ends(recorded(lambda loaded_s: loaded_s / 36, hours, 9.0)) == pytest.approx([1.0, 999.0], abs=0.2)


def test_a_run_without_a_load_has_no_memory_under_it(recorded: Callable[..., Recording]) -> None:
    """The reason is stated."""
    recording = recorded(lambda _: 100.0, 60.0)
    idle = Recording(
        recording.directory, recording.manifest, recording.phases[:1], recording.arms, recording.gaps
    )
    assert memory_under_load(idle, idle.arms[0], at_end=True) == Measurement(
        None, "the run did not reach the phase load"
    )
