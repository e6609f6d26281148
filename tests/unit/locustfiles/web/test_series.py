from __future__ import annotations

import itertools

from locustfiles.web.series import MOST_POINTS, Series


def test_a_reader_gets_what_it_lacks() -> None:
    """First all, then what is new, then nothing."""
    series = Series(("t", "rss"))
    series.add([0.0, 5.0])
    first = series.since(-1, 0)
    assert (first["whole"], first["points"]) == (True, [[0.0, 5.0]])
    series.add([1.0, None])
    later = series.since(first["epoch"], 1)
    assert (later["whole"], later["points"]) == (False, [[1.0, None]])
    assert series.since(first["epoch"], 2)["points"] == []


def test_three_days_fit_into_bounded_memory_as_real_readings() -> None:
    """Never more than MOST_POINTS; evenly spaced, from the first on, each of them one that was read."""
    series = Series(("t", "rss"))
    for second in range(72 * 3600):
        series.add([float(second), second * 10.0])
    points = series.since(-1, 0)["points"]
    assert MOST_POINTS / 2 <= len(points) <= MOST_POINTS
    times = [point[0] for point in points]
    assert times[0] == 0.0
    assert {b - a for a, b in itertools.pairwise(times)} == {times[1]}
    assert all(value == t_s * 10.0 for t_s, value in points)
    assert times[-1] > 72 * 3600 - 2 * times[1]


def test_a_reader_of_an_older_epoch_takes_everything_anew() -> None:
    """Its points were thinned out meanwhile."""
    series = Series(("t",))
    for second in range(MOST_POINTS):
        series.add([float(second)])
    had = series.since(-1, 0)
    series.add([float(MOST_POINTS)])
    later = series.since(had["epoch"], len(had["points"]))
    assert later["whole"]
    assert later["points"][:2] == [[0.0], [2.0]]
    assert later["points"][-1] == [float(MOST_POINTS)]


def test_a_reader_that_claims_more_than_there_is_takes_everything_anew() -> None:
    """It may have read another run at the same address."""
    series = Series(("t",))
    series.add([0.0])
    for epoch, count in ((0, 7), (0, -1), (9, 1)):
        assert series.since(epoch, count)["whole"]
