"""From series to services: lives, requests, gaps, and the objections to each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from analysis.judge.types import Numbers
from analysis.prometheus.answers import Series
from analysis.prometheus.queries import Query, Span
from analysis.prometheus.question import Found, Question
from analysis.prometheus.services import Service, service_row, services
from analysis.verdict.validity import ObjectionKind

HOUR_S = 3600.0
BEGIN_S = 1.79e9
T_S = BEGIN_S + np.arange(0.0, 72 * HOUR_S, 300.0)


def series(value: npt.ArrayLike, t_s: Numbers = T_S, **labels: str) -> Series:
    return Series(
        tuple(sorted(labels.items())), t_s, np.broadcast_to(np.asarray(value, dtype=float), t_s.shape).copy()
    )


def memory(t_s: Numbers = T_S, base: float = 1e8, **labels: str) -> Series:
    """Return memory that is measured: whole pages that come and go."""
    pages = base // 4096 + np.random.default_rng(7).integers(0, 9, len(t_s))
    return series(4096.0 * pages, t_s, **labels)


def found(
    those: tuple[Series, ...],
    requests: tuple[Series, ...] = (),
    starts: tuple[Series, ...] = (),
    metric: str = "process_resident_memory_bytes",
) -> tuple[Service, ...]:
    query = Query("http_requests_total", "--requests-query") if requests else None
    span = Span(BEGIN_S, BEGIN_S + 72 * HOUR_S)
    return services(Found(Question(Query(metric, "--query"), query, None, span), those, requests, starts))


def kinds(service: Service) -> list[ObjectionKind]:
    return [one.kind for one in service.objections]


def test_requests_go_on_over_restarts_and_roll_outs() -> None:
    """A counter that each pod and each start sets back to 0 never goes back, so it makes no leak per request."""
    half = len(T_S) // 2
    first, second = T_S[:half], T_S[half:]
    count = np.arange(half) * 10.0
    set_back = np.where(np.arange(half) < half // 2, count, count - count[half // 2])
    starts = np.where(np.arange(half) < half // 2, BEGIN_S - 10, first[half // 2] - 1)
    (one,) = found(
        (memory(first, pod="a"), memory(second, pod="b")),
        (series(set_back, first, pod="a"), series(count, second, pod="b")),
        (series(starts, first, pod="a"), series(second[0], second, pod="b")),
    )
    assert (np.diff(one.readings.requests) >= 0).all()
    assert one.requests_known
    assert np.unique(one.readings.life).tolist() == [1, 2, 3]
    assert one.notes == ("1 roll-out, 1 restart",)
    assert kinds(one) == []
    row = service_row(one)
    assert (row.rollouts, row.restarts, row.samples) == (1, 1, len(T_S))
    assert row.ratio is not None
    assert row.ratio < 1.5


def test_pods_side_by_side_are_never_added_up() -> None:
    each = found(
        (memory(pod="a"), memory(base=3e8, pod="b")), starts=(series(1.0, pod="a"), series(1.0, pod="b"))
    )
    assert [one.name for one in each] == ["a", "b"]
    assert [round(float(one.readings.value[0]) / 1e8) for one in each] == [1, 3]


def test_a_day_that_is_missing_is_noted_and_not_counted_as_watched() -> None:
    kept = (T_S < BEGIN_S + 20 * HOUR_S) | (T_S > BEGIN_S + 44 * HOUR_S)
    (one,) = found((memory(T_S[kept], pod="a"),), starts=(series(1.0, T_S[kept], pod="a"),))
    assert one.notes == ("no samples for 24.2 h, the longest time 24.2 h",)
    assert service_row(one).longest_life_s < 48 * HOUR_S


@pytest.mark.parametrize(
    ("hours", "note", "vanished"),
    [
        (72.0, "", False),
        (71.5, "", False),
        (70.0, "last seen 2.1 h before the end", False),
        (65.0, "last seen 7.1 h before the end", False),
        (64.0, "last seen 8.1 h before the end", True),
        (50.0, "last seen 22.1 h before the end", True),
    ],
)
def test_a_service_that_vanished_is_noted_and_after_a_tenth_not_cleared(
    hours: float, note: str, vanished: bool
) -> None:
    """The next sample may not be there yet; what leaked since the last one nobody saw. The end is that of the span."""
    seen = T_S[: round(hours * 12)]
    (one,) = found((memory(seen, pod="a"),), starts=(series(1.0, seen, pod="a"),))
    assert one.notes == ((note,) if note else ())
    assert kinds(one) == ([ObjectionKind.UNREAD] if vanished else [])
    assert all("it was last seen" in each.text and "--since" in each.text for each in one.objections)


def test_a_pod_that_another_one_continues_has_not_vanished() -> None:
    """A roll-out ends the old pod; the service goes on. A pod beside them that nobody continues has."""
    old, new = T_S[T_S < BEGIN_S + 50 * HOUR_S], T_S[T_S > BEGIN_S + 49.95 * HOUR_S]
    beside = T_S[T_S < BEGIN_S + 48 * HOUR_S]
    pair = (memory(old, pod="a"), memory(new, pod="b"))
    (one,) = found(pair, starts=(series(1.0, old, pod="a"), series(2e9, new, pod="b")))
    assert one.notes == ("1 roll-out",)
    assert kinds(one) == []
    both = found(
        (memory(pod="a"), memory(beside, pod="c")),
        starts=(series(1.0, pod="a"), series(1.0, beside, pod="c")),
    )
    assert [kinds(each) for each in both] == [[], [ObjectionKind.UNREAD]]


def test_samples_that_are_no_readings_do_not_show_a_service() -> None:
    """A value of 0, as an exporter has it of a process that is gone."""
    value = np.where(T_S < BEGIN_S + 50 * HOUR_S, memory().value, 0.0)
    (one,) = found((series(value, pod="a"),), starts=(series(1.0, pod="a"),))
    assert one.notes == ("last seen 22.1 h before the end",)
    assert kinds(one) == [ObjectionKind.UNREAD]


def test_requests_that_are_missing_for_a_day_are_not_known() -> None:
    kept = (T_S < BEGIN_S + 20 * HOUR_S) | (T_S > BEGIN_S + 44 * HOUR_S)
    count = np.arange(len(T_S)) * 10.0
    (one,) = found((memory(pod="a"),), (series(count[kept], T_S[kept], pod="a"),), (series(1.0, pod="a"),))
    assert not one.requests_known
    assert one.notes == ("requests not known: none were read for 33% of its samples",)


def test_requests_of_other_pods_are_not_known() -> None:
    (one,) = found((memory(pod="a"),), (series(np.arange(len(T_S)), pod="x"),), (series(1.0, pod="a"),))
    assert not one.requests_known
    assert one.notes == ("requests not known: no series of --requests-query has its labels",)


def test_several_processes_behind_one_address_decide_nothing() -> None:
    """Their start times take turns; the objection names the fix."""
    starts = np.where(np.arange(len(T_S)) % 3 == 0, 1e9 + 0.31, 1e9 + 0.42)
    (one,) = found((memory(pod="a"),), starts=(series(starts, pod="a"),))
    assert kinds(one)[0] is ObjectionKind.GAP
    assert "2 start times take turns" in one.objections[0].text
    assert "an address of its own" in one.objections[0].text


def test_without_start_times_nothing_is_cleared() -> None:
    (one,) = found((memory(pod="a"),))
    assert kinds(one) == [ObjectionKind.UNREAD]
    assert "--start-query" in one.objections[0].text


def test_memory_of_less_than_two_days_without_requests_may_follow_a_day() -> None:
    short = T_S[-200:]
    (one,) = found((memory(short, pod="a"),), starts=(series(1.0, short, pod="a"),))
    assert kinds(one) == [ObjectionKind.DAY]


@pytest.mark.parametrize("value", [24_000 * 4096.0, np.nan])
def test_hardly_any_samples_are_to_be_judged_again(value: float) -> None:
    """A pod of some minutes, or one whose memory is no number."""
    few = T_S[-5:]
    (one,) = found((series(value, few, pod="a"),), starts=(series(1.0, few, pod="a"),))
    assert kinds(one) == [ObjectionKind.UNREAD, ObjectionKind.DAY]
    assert "judge it again when it has 12 or more" in one.objections[0].text
    service_row(one)


@pytest.mark.parametrize(
    ("highest", "words"),
    [
        (4800.0, "4,800 bytes"),
        (1.25, "1.25 bytes"),
        (2.0**20 - 1, "1,048,575 bytes"),
        (2.0**20, ""),
        (24_000 * 4096.0, ""),
    ],
)
def test_memory_that_is_too_little_for_bytes_clears_nothing(highest: float, words: str) -> None:
    """A query in MiB or GiB makes every leak small; it is the highest value that counts."""
    value = np.where(np.arange(len(T_S)) % 5 < 3, highest / 2, highest)
    (one,) = found((series(value, pod="a"),), starts=(series(1.0, pod="a"),))
    assert kinds(one) == ([ObjectionKind.UNREAD] if words else [])
    for objection in one.objections:
        assert objection.text.startswith(
            f"its highest value is {words}, too few for a process: give --query in"
        )


def test_a_value_of_zero_is_no_reading() -> None:
    value = np.where(np.arange(len(T_S)) % 2, memory().value, 0.0)
    (one,) = found((series(value, pod="a"),), starts=(series(1.0, pod="a"),))
    assert np.isfinite(one.readings.value).sum() == len(T_S) // 2


def test_memory_with_file_pages_has_a_name_of_its_own() -> None:
    (one,) = found((memory(pod="a"),), metric="container_memory_working_set_bytes")
    assert one.readings.signal == "working_set_bytes"


def test_workers_with_equal_start_times_decide_nothing() -> None:
    """Two children of one parent: the leak of one is behind the lows of the other."""
    other = np.random.default_rng(1).random(len(T_S)) < 0.5
    value = memory().value + np.where(other, 4096 * np.floor((T_S - BEGIN_S) / 3), 0.0)
    (one,) = found((series(value, pod="a"),), starts=(series(1.0, pod="a"),))
    assert kinds(one) == [ObjectionKind.GAP]
    assert one.objections[0].text.startswith(
        "its samples take turns between levels that drift far apart, as those of"
    )
    assert "an address of its own" in one.objections[0].text


IN_KIB = np.floor(np.linspace(2.0**31, 2.5 * 2.0**30, len(T_S)) / 4096) * 4
HEAP = 1e8 + 8.0 * (np.arange(len(T_S)) % 977)


@pytest.mark.parametrize(
    ("value", "metric", "words"),
    [
        (IN_KIB, "process_resident_memory_bytes", "in KiB: give --query in bytes, for example process_resident"),
        (IN_KIB, "container_memory_rss", "may be in KiB"),
        (IN_KIB, "app_memory", "app_memory * 1024, or app_memory * 1 if they are bytes"),
        (IN_KIB, "app_rss_kb", "app_rss_kb ends with a unit that is not bytes: give --query in bytes, for example app"),
        (IN_KIB, "app_memory_kilobytes", "app_memory_kilobytes * 1024"),
        (HEAP / 50, "app:rss_mb", "app:rss_mb * 1048576"),
        # rightly in bytes: whole pages, a heap, an average, what was multiplied
        (memory().value, "process_resident_memory_bytes", ""),
        (memory().value, "container_memory_working_set_bytes", ""),
        (memory().value, "app_memory", ""),
        (HEAP, "jvm_memory_used_bytes", ""),
        (HEAP, "go_memstats_heap_inuse_bytes", ""),
        (HEAP, "instance:process_resident_memory_bytes:avg1h", ""),
        (HEAP, "avg_over_time(process_resident_memory_bytes[5m])", ""),
        (IN_KIB * 1024, "app_rss_kb * 1024", ""),
        (np.where(np.arange(len(T_S)) % 3, memory().value, memory().value + 1), "app_memory", ""),
    ],
)  # fmt: skip
def test_values_that_may_be_no_bytes_clear_nothing(value: Numbers, metric: str, words: str) -> None:
    """KiB of a process above 1 GiB are more than 1 MiB, and make every leak small."""
    (one,) = found((series(value, pod="a"),), starts=(series(1.0, pod="a"),), metric=metric)
    assert kinds(one) == ([ObjectionKind.UNREAD] if words else [])
    assert all(words in each.text for each in one.objections)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (
            "go_memstats_alloc_bytes_total",
            "ends with _total, as counters do, which rise whatever memory does",
        ),
        ("process_resident_memory_bytes / 1024", "yields a 1,024th of the bytes: give it in bytes"),
        ("1024 * process_resident_memory_bytes", "yields 1,024 times the bytes: give it in bytes"),
        ("go_memstats_alloc_bytes_total * 1", ""),
        ("app_rss_kb * 1024", ""),
        ("process_resident_memory_bytes / 2", ""),
    ],
)
def test_what_is_no_memory_in_bytes_by_its_text_decides_nothing(metric: str, words: str) -> None:
    """A counter leaks always; a factor makes a leak too small or too great, so it stands against LEAK, too."""
    (one,) = found((memory(pod="a"),), starts=(series(1.0, pod="a"),), metric=metric)
    assert kinds(one) == ([ObjectionKind.GAP] if words else [])
    assert all(words in each.text for each in one.objections)


@pytest.mark.parametrize(
    ("metric", "labels", "judged"),
    [
        ("sum(process_resident_memory_bytes)", {}, False),
        ("sum by (job) (process_resident_memory_bytes)", {"job": "shop"}, False),
        ("sum by (node) (process_resident_memory_bytes)", {"node": "n1"}, False),
        ("max by (image) (process_resident_memory_bytes)", {"image": "shop:1"}, False),
        ("job:process_resident_memory_bytes:sum", {"job": "shop"}, False),
        ("sum by (pod) (process_resident_memory_bytes)", {"pod": "a"}, True),
        ("process_resident_memory_bytes * 1", {"job": "shop", "instance": "a"}, True),
        ("instance:process_resident_memory_bytes:avg", {"instance": "a"}, True),
        ("process_resident_memory_bytes", {"job": "pushed"}, True),
    ],
)
def test_a_sum_of_processes_decides_nothing(metric: str, labels: dict[str, str], judged: bool) -> None:
    """It leaks as often as a process comes: so the objection stands against LEAK, too."""
    names = tuple(sorted(labels.items()))
    read, starts = (Series(names, T_S, value) for value in (memory().value, np.ones(len(T_S))))
    (one,) = found((read,), starts=(starts,), metric=metric)
    assert [kind for kind in kinds(one) if kind is ObjectionKind.GAP] == (
        [] if judged else [ObjectionKind.GAP]
    )
    assert (
        judged
        or "a sum of processes jumps with each that comes or goes: query each" in one.objections[0].text
    )


def test_a_value_that_never_changed_clears_nothing() -> None:
    """Of a collector that stopped before the window: memory of a process that works changes by a page now and then."""
    (one,) = found((series(4096 * 50_000.0, pod="a"),), starts=(series(1.0, pod="a"),))
    assert kinds(one) == [ObjectionKind.UNREAD]
    assert one.objections[0].text.startswith("it is 204,800,000 bytes in all")
    (one,) = found((series(memory().value, pod="a"),), starts=(series(1.0, pod="a"),))
    assert kinds(one) == []
