"""Which rows of a recording are of one process, and where its lives begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from analysis.external.cells import Sizes
from analysis.external.processes import ProcessReadings, split_processes
from analysis.external.tables import RecordedCells


def split(
    t_s: npt.ArrayLike,
    process: list[str],
    rss_bytes: npt.ArrayLike | None = None,
    *,
    identified: bool = True,
    resolution_bytes: float = 1.0,
) -> tuple[ProcessReadings, ...]:
    """Return the processes of rows with these times; memory is 2e8 unless given."""
    rows = [(k + 2, 0, name, "", "") for k, name in enumerate(process)]
    cells = RecordedCells.of(Path("x.csv"), ("t", "rss"), rows, identified=identified, units=(1.0, 1.0))
    values = np.asarray(2e8 + np.arange(len(rows)) if rss_bytes is None else rss_bytes, dtype=np.float64)
    resolution = np.full(len(rows), resolution_bytes)
    return split_processes(cells, np.array(t_s, dtype=float), Sizes(values, resolution))


@pytest.mark.parametrize(
    ("process", "t_s", "names"),
    [
        ("aabb", [0, 1, 2, 3], [""]),
        ("aaba", [0, 1, 2, 3], [""]),
        ("abababab", [0, 0, 1, 1, 2, 2, 3, 3], ["a", "b"]),
        ("aaabaaabaaabaaab", list(range(16)), ["a", "b"]),
        ("aaabbb", [0, 1, 2, 0, 1, 2], ["a", "b"]),
        ("aaabbb", [0, 1, 2, 2, 3, 4], [""]),
    ],
)
def test_processes_run_side_by_side_where_they_take_turns_or_overlap(
    process: str, t_s: list[float], names: list[str]
) -> None:
    """Those that follow one another are lives of one, also where one comes back."""
    assert [one.name for one in split(t_s, list(process))] == names


def test_every_process_that_follows_another_is_a_life() -> None:
    """By a name or a number."""
    (found,) = split([0, 1, 2, 3, 4], ["a", "a", "a", "b", "a"])
    assert list(found.series.life) == [1, 1, 1, 2, 3]


def test_a_pause_of_more_than_twenty_steps_may_be_a_restart() -> None:
    """Unless the file identifies the process; hours in which nothing was read are a pause as well."""
    t_s = np.arange(200.0)
    rss_bytes = 2e8 + t_s
    rss_bytes[50:80] = np.nan
    rss_bytes[100:110] = 0
    (found,) = split(t_s, [""] * 200, rss_bytes, identified=False)
    assert list(np.flatnonzero(np.diff(found.series.life))) == [79]
    assert found.pauses.startswith(
        "pauses of up to 31 s without readings, once: the process may have been started"
    )
    assert found.one_life is not None
    assert set(found.one_life.life) == {1}
    (known,) = split(t_s, [""] * 200, rss_bytes, identified=True)
    assert (known.pauses, set(known.series.life)) == ("", {1})


@pytest.mark.parametrize("missing", [np.nan, 0.0])
def test_rows_without_a_reading_at_either_end_leave_a_doubt(missing: float) -> None:
    """What leaked meanwhile is in no row; a tenth of the rows, as at a start or an end, may have none."""
    for begin, end, doubt in (
        (0, 80, "rss has no reading in the first 80 of 200 rows, which hides a leak: record it again"),
        (150, 200, "rss has no reading in the last 50 of 200 rows, which hides a leak: record it again"),
        (0, 20, ""),
        (180, 200, ""),
    ):
        rss_bytes = 2e8 + np.arange(200.0)
        rss_bytes[begin:end] = missing
        (found,) = split(np.arange(200.0), ["7"] * 200, rss_bytes)
        assert found.doubt.startswith(doubt)
        assert bool(found.doubt) is bool(doubt)


def test_rows_without_a_time_at_the_end_leave_a_doubt_about_every_process() -> None:
    """They are in no process, as nobody knows when they were read."""
    t_s = np.where(np.arange(200.0) < 150, np.arange(200.0) // 2, np.nan)
    for process in (["7"] * 200, ["7", "8"] * 100):
        for found in split(t_s, process):
            assert found.doubt.startswith("t has no reading in the last 50 of 200 rows, which hides a leak")


def test_time_that_starts_over_goes_on_in_another_life() -> None:
    """A small step back is no start over, and decides nothing."""
    (found,) = split([*range(100), *range(50)], [""] * 150, identified=False)
    assert list(found.series.t_s) == list(range(150))
    assert list(np.flatnonzero(np.diff(found.series.life))) == [99]
    assert found.doubt.startswith("its time starts over once")
    (stepped,) = split([*range(100), *range(98, 150)], [""] * 152, identified=False)
    assert set(stepped.series.life) == {1}
    assert stepped.unusable.startswith("time goes backwards once, as where a clock is set back in autumn")
    assert not found.unusable


def test_rows_that_alternate_at_even_times_are_of_one_process() -> None:
    """As where every other reading is taken within a request."""
    (found,) = split(np.arange(300.0), [""] * 300, 2e8 + 1e8 * (np.arange(300) % 2), identified=False)
    assert found.doubt == ""
    (turns,) = split(np.arange(300) // 2, [""] * 300, 2e8 + 1e7 * (np.arange(300) % 2), identified=False)
    assert turns.doubt.startswith("its rows take turns between levels")


def test_noise_in_whole_units_takes_no_turns() -> None:
    """Rows of one process that differ as much from turn to turn as from row to row, by times in minutes."""
    for seed in range(20):
        coarse = np.float64(2**20) * np.random.default_rng(seed).integers(180, 182, 300).astype(np.float64)
        (found,) = split(np.arange(300) // 4, [""] * 300, coarse, identified=False)
        assert found.doubt == ""


def _of_restarts(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Leak 60 MB in each 720 readings, from 200 MB on."""
    return 200e6 + 60e6 * (t % 720) / 720


def _of_jobs(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Hold 50 MB more for three of each hundred readings."""
    return np.where(t % 100 < 3, 250e6, 200e6)


def _of_noise(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 200e6 + np.random.default_rng(1).normal(0.0, 20e6, len(t))


@pytest.mark.parametrize(
    ("memory", "identified", "is_doubted"),
    [
        (_of_restarts, False, True),
        (_of_restarts, True, False),
        (_of_jobs, False, False),
        (_of_noise, False, False),
    ],
)
def test_falls_that_may_be_restarts_clear_nothing_where_no_column_tells(
    memory: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], identified: bool, is_doubted: bool
) -> None:
    """Of a container that keeps its name each start is 23% lower; a process that a column identifies had none."""
    t = np.arange(7200.0)
    value = memory(t) + np.random.default_rng(2).normal(0.0, 1e5, len(t))
    (one,) = split(t, [""] * len(t), value, identified=identified)
    assert one.doubt.startswith("its memory fell to a lower level 9 times") is is_doubted
    assert is_doubted or not one.doubt


def test_a_series_that_is_rounded_changes_in_steps_of_its_cells() -> None:
    """And what never changes may be rounded, while exact readings that never change measure nothing."""
    t_s, process, flat = np.arange(200.0), ["7"] * 200, np.full(200, 12_895_640_617.0)
    (exact,) = split(t_s, process, flat)
    (coarse,) = split(t_s, process, flat, resolution_bytes=2**30 / 100)
    assert (exact.series.quantum, bool(exact.unusable), exact.rounding) == (2**20, True, "")
    assert (coarse.series.quantum, coarse.unusable) == (2**30 / 100, "")
    assert coarse.rounding.startswith("rss is rounded to 10.2 MiB")
