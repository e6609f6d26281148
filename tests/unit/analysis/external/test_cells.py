"""Times and sizes in the cells of other tools' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.external.cells import CellColumn, is_time, read_memory, read_times
from analysis.formatting import KIB, MIB
from soak.errors import RecordingError


def column(*cells: str, name: str = "c") -> CellColumn:
    """Return a column whose first cell is in the second line of its file."""
    return CellColumn(Path("x.csv"), name, list(cells), list(range(2, 2 + len(cells))))


@pytest.mark.parametrize(
    ("cells", "unit_s", "since_first_s"),
    [
        (("5", "6.5", ""), None, [0, 1.5, np.nan]),
        (("1", "2"), 60.0, [0, 60]),
        (("2025-03-04 0:00", "2025-03-04 0:05"), None, [0, 300]),
        (("2025-03-04T00:00:00+01:00", "2025-03-04T00:00:01Z"), None, [0, 3601]),
        (("Tue Mar  4 23:59:59 CET 2025", "Wed Mar  5 00:00:01 CET 2025"), None, [0, 2]),
        (("23:59:30", "0:00:30", "-", "22:00:00", "00:00:00"), None, [0, 60, np.nan, 79_230, 86_430]),
        (("00:00:01", "23:59:59", "00:00:02"), None, [0, -2, 1]),
        (("11:59:59 AM", "12:00:01 PM", "11:59:59 PM", "12:00:00 AM"), None, [0, 2, 43_200, 43_201]),
        (("14:00:00", "13:59:59"), None, [0, -1]),
    ],
)
def test_a_time_is_a_number_a_moment_or_a_clock(
    cells: tuple[str, ...], unit_s: float | None, since_first_s: list[float]
) -> None:
    """Only differences count; a clock passes midnight, and a small step back is none."""
    t_s = read_times(column(*cells), unit_s)
    assert t_s - t_s[0] == pytest.approx(since_first_s, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "last", "unit_s", "step_s"),
    [
        ("t", "60.5", None, 60.5),
        ("t", "3600", 1.0, 3600),
        ("t", "3600000", 1e-3, 3600),
        ("t_ms", "5000", None, 5),
        ("elapsedMs", "3600000", None, 3600),
        ("time [min]", "60", None, 3600),
        ("time_s", "3600", None, 3600),
        ("t_us", "5000000", None, 5),
        ("t_ms", "5000", 1.0, 5000),
        ("stats", "60", None, 60),
        ("hrs", "1", None, 3600),
        ("t_h", "1", 3600.0, 3600),
        ("path", "60", None, 60),
    ],
)
def test_the_unit_of_times_is_that_of_the_option_or_the_name(
    name: str, last: str, unit_s: float | None, step_s: float
) -> None:
    """Else seconds, where readings are near enough; a moment needs none, whatever the name."""
    assert read_times(column("0", last, name=name), unit_s)[1] == pytest.approx(step_s)
    moments = read_times(column("2025-03-04 00:00", "2025-03-04 01:00", name=name), unit_s)
    assert moments[1] - moments[0] == 3600


@pytest.mark.parametrize(
    ("first", "step", "is_read"),
    [
        (0, 60, True),
        (0, 91, False),
        (0, 500, False),
        (1.7e9, 600, True),
        (1.7e9, 601, False),
        (5e9, 500, False),
    ],
)
def test_numbers_that_may_be_seconds_since_1970_may_be_further_apart(
    first: float, step: float, is_read: bool
) -> None:
    """Elapsed ones have nothing to show their unit but the step: 500 is half a second in milliseconds."""
    times = column(*(f"{first + step * k:.0f}" for k in range(10)))
    if is_read:
        assert np.diff(read_times(times, None)) == pytest.approx(step)
        return
    with pytest.raises(
        RecordingError, match="name the unit by --time-unit, for example ms, or s if they are"
    ):
        read_times(times, None)
    assert np.diff(read_times(times, 1e-3)) == pytest.approx(step / 1000)


@pytest.mark.parametrize("name", ["Time (h)", "uptime_d", "t m"])
def test_a_letter_that_may_be_a_unit_of_time_is_asked_about(name: str) -> None:
    """Hours taken for seconds would make a leak of what is none."""
    with pytest.raises(
        RecordingError, match="may be minutes, hours or days, by the end of the column's name"
    ):
        read_times(column("0", "0.25", name=name), None)


def test_the_step_of_times_is_that_of_one_process() -> None:
    """Ten processes that are read one after the other each minute, in milliseconds."""
    rows = [(60_000 * tick + 5 * pid, f"{pid}") for tick in range(20) for pid in range(10)]
    times = column(*(f"{t_ms}" for t_ms, _ in rows))
    with pytest.raises(RecordingError, match="row 12: '60000' is 60,000 after the time before"):
        read_times(times, None, [pid for _, pid in rows])
    assert read_times(times, 1e-3, [pid for _, pid in rows])[-1] == pytest.approx(1140.045)


@pytest.mark.parametrize(
    ("cell", "size_bytes"),
    [
        ("1048576", MIB),
        ("80.0MiB / 2GiB", 80 * MIB),
        ("80.5 MB", 80.5e6),
        ("1.5GiB", 1536 * MIB),
        ("512 kB", 512e3),
        ("80m", 80 * MIB),
        ("2K", 2 * KIB),
        ("0B / 0B", 0.0),
        ("-1", -1.0),
        ("N/A", np.nan),
        ("-- / --", np.nan),
    ],
)
def test_a_size_may_have_its_unit_in_the_cell(cell: str, size_bytes: float) -> None:
    """A unit in the cell is the one that counts; what follows a slash is the limit."""
    assert read_memory(column("2097152", cell), None).value[1] == pytest.approx(size_bytes, nan_ok=True)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            ("5", "", "late"),
            "row 4: 'late' is not a number, as the first row has it; correct or remove the row",
        ),
        (("14:00:00", "5"), "row 3: '5' is not HH:MM:SS, as the first row has it"),
        (("04/03/2025 14:00", "x"), "row 2: '04/03/2025 14:00' is not seconds, ISO 8601 or HH:MM:SS"),
        (("14:00", "14:01"), "row 2: '14:00' may be hours or minutes; write HH:MM:SS"),
        (("1764162000000",), "row 2: '1764162000000' as seconds is beyond the year 5000; name the unit"),
        (("1", "-1e308"), "row 3: '-1e308' as seconds is beyond the year 5000"),
        (("2026-01-01", "-1-01-01"), "row 3: '-1-01-01' is not seconds, ISO 8601 or HH:MM:SS"),
        (
            ("0", "5", "60005", "", "120005", "180005"),
            "row 4: '60005' is 60,000 after the time before, and as seconds most are as far apart; name the unit by "
            "--time-unit, for example ms, or s if they are seconds, or by the end of the column's name, as t_ms or "
            "t_s.",
        ),
    ],
)
def test_the_first_bad_time_is_named(cells: tuple[str, ...], sentence: str) -> None:
    """With the file, its column and row, and the fix."""
    with pytest.raises(RecordingError) as caught:
        read_times(column(*cells), None)
    assert str(caught.value).startswith(f"x.csv: column c, {sentence}")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (("2e8", "3.9%"), "row 3: '3.9%' is not a size, written with a decimal point and perhaps a unit"),
        (("80,5",), "row 2: '80,5' is not a size, written with a decimal point"),
        (("5 apples",), "row 2: '5 apples' is not a size"),
        (("1e8", "1e308 TiB"), "row 3: '1e308 TiB' is not a size"),
        (
            ("1", "350.5", "2"),
            "row 3: '350.5' is the highest value, and 350.5 bytes are too few for a process; name",
        ),
        (
            ("1310720000", "-1", "2GiB", "1310724"),
            "row 5: '1310724' is no whole number of pages of 4,096 bytes, as the memory of a process is; name the unit "
            "by --rss-unit, for example KiB or MiB, or B if they are bytes.",
        ),
    ],
)
def test_the_first_bad_size_is_named(cells: tuple[str, ...], sentence: str) -> None:
    """Likewise; numbers without a unit that are too small for bytes, or no whole pages, need one."""
    with pytest.raises(RecordingError) as caught:
        read_memory(column(*cells), None)
    assert str(caught.value).startswith(f"x.csv: column c, {sentence}")


@pytest.mark.parametrize(
    ("name", "cell", "unit_bytes", "size_bytes"),
    [
        ("rss", "1310720000", None, 1_310_720_000),
        ("rss", "1310724", KIB, 1_310_724 * KIB),
        ("rss", "1310724", 1.0, 1_310_724),
        ("rss_kb", "1310724", None, 1_310_724 * KIB),
        ("Memory (MiB)", "350.5", None, 350.5 * MIB),
        ("rss_kilobytes", "1310724", None, 1_310_724 * KIB),
        ("memGB", "1.5", None, 1536 * MIB),
        ("container_memory_rss_bytes", "80000001.5", None, 80_000_001.5),
        ("rss_kb", "80.5MiB", None, 80.5 * MIB),
        ("rss_kb", "1310724", 1.0, 1_310_724),
        ("rss_kb", "1", 1.0, 1.0),
    ],
)
def test_the_unit_of_memory_is_that_of_the_cell_the_option_or_the_name(
    name: str, cell: str, unit_bytes: float | None, size_bytes: float
) -> None:
    """In this order; without any, whole pages alone are taken for bytes."""
    assert read_memory(column(cell, name=name), unit_bytes).value[0] == pytest.approx(size_bytes)


@pytest.mark.parametrize(
    "name", ["rss", "rssb", "limb", "rss_bytes/1024", "kb_rss", "rss_m", "verbs", "dumb"]
)
def test_a_name_that_only_looks_like_a_unit_states_none(name: str) -> None:
    """Letters at the end of a word, a unit that was divided away, one of another word, and a single letter."""
    with pytest.raises(RecordingError, match="is no whole number of pages"):
        read_memory(column("1310724", name=name), None)


def test_a_name_does_not_make_too_few_bytes_plausible() -> None:
    """The column may have been divided since it was named: the option alone is believed."""
    with pytest.raises(
        RecordingError, match=r"350\.5 bytes are too few for a process; name the unit by --rss-unit"
    ):
        read_memory(column("350.5", name="rss_bytes"), None)


def test_what_is_a_time_alone() -> None:
    """As ``date`` writes it between the tables of another tool."""
    assert all(
        map(is_time, ("1741046400", "14:00:00", "2025-03-04 14:00:00", "Tue Mar  4 14:00:00 UTC 2025"))
    )
    assert not any(map(is_time, ("", "web", "NAME  CPU %")))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        # the days of a spreadsheet, and hours, each minute
        (
            [f"{46083 + n / 1440:.6f}" for n in range(90)],
            "is 0.000694 after the time before, and as seconds most are",
        ),
        (
            [f"{n / 60:.4f}" for n in range(90)],
            "name the unit by --time-unit, for example h, or d as of a spreadsheet",
        ),
        (
            [f"202603{day:02d}" for day in range(1, 30)],
            "'20260301' may be a date without separators; write it as 2025",
        ),
        ([f"2026030204{minute:02d}" for minute in range(60)], "may be a date without separators"),
        (["20260302235959", "20260303000000"], "may be a date without separators"),
        ([f"{hour}:59:00" for hour in (11, 12, 1, 2)], "may be of a 12-hour clock without AM or PM"),
        (
            [f"{(46 - 2 * n) % 24:02d}:00:00" for n in range(40)],
            "is earlier than the time before, as most are",
        ),
    ],
)
def test_times_that_may_be_read_in_two_ways_are_refused(cells: list[str], sentence: str) -> None:
    """In a wrong unit, or with days that were not there, a leak is as many times too small or too great."""
    with pytest.raises(RecordingError) as caught:
        read_times(column(*cells), None)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "unit_s", "length_s"),
    [
        ([f"{46083 + n / 1440:.6f}" for n in range(91)], 86_400.0, 5400),
        ([f"{n / 1000:.3f}" for n in range(90)], 1.0, 0.089),
        ([f"{0.05 * n:.2f}" for n in range(90)], None, 4.45),
        (["20260301", "20260302"], 1.0, 1),
        (["1772409600", "1772409660"], None, 60),
        ([f"{hour % 24}:59:00" for hour in (11, 12, 13, 25)], None, 14 * 3600),
        ([f"{hour}:59:00 {half}" for hour, half in ((11, "AM"), (12, "PM"), (1, "PM"))], None, 7200),
        ([f"{7 * n % 24:02d}:00:00" for n in range(40)], None, 39 * 7 * 3600),
    ],
)
def test_times_that_have_one_meaning_are_read(
    cells: list[str], unit_s: float | None, length_s: float
) -> None:
    """What is named is believed; a clock may pass midnight now and then."""
    t_s = read_times(column(*cells), unit_s)
    assert t_s[-1] - t_s[0] == pytest.approx(length_s, abs=0.1)
