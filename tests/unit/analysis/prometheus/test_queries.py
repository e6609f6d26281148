"""The questions by which a query is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import pytest

from analysis.prometheus import queries as module
from analysis.prometheus.queries import MOST_SERIES, Query, Span, fetch, questions, start_query
from soak.errors import RecordingError
from tests.support.scripted_prometheus import matrix

DAY_S = 86_400.0
END_S = 1_790_000_000.0


def query(text: str) -> Query:
    return Query(text, "--query")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("process_resident_memory_bytes", True),
        (' m{job="a", pod=~"x}y.*"} ', True),
        ("{__name__='m'}", True),
        ('m{pod=`a"b`}', True),
        ("", False),
        ("sum(m)", False),
        ("m[5m]", False),
        ("m offset 5m", False),
        ("m + 1", False),
        ('m{job="a"', False),
    ],
)
def test_a_bare_selector_is_told_from_an_expression(text: str, bare: bool) -> None:
    assert query(text).is_selector is bare


@pytest.mark.parametrize(
    ("text", "computed"),
    [("m", False), ('m{path="a:b"}', False), ("{job='a'}", False), ("job:m:sum", True), ("m * 1", True)],
)
def test_what_a_rule_records_is_computed_as_an_expression_is(text: str, computed: bool) -> None:
    assert query(text).is_computed is computed


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("http_requests_total", False),
        ("rate_limited_requests_total", False),
        ("sum(http_requests_total)", False),
        ("sum by (pod) (rate_limited_requests_total)", False),
        ('sum by (pod, plan_rate) (http_requests_total{rate="1"})', False),
        ("generated_pages", False),
        ('m{path="/rate"}', False),
        ("sum by (pod) (rate(http_requests_total[5m]))", True),
        ("irate(m[1m])", True),
        ("job:http_requests:rate5m", True),
        ("requests_rate", True),
    ],
)
def test_requests_per_second_are_told_from_a_counter(text: str, rate: bool) -> None:
    assert query(text).is_rate is rate


@pytest.mark.parametrize(
    ("memory", "starts"),
    [
        ('process_resident_memory_bytes{job="a"}', 'process_start_time_seconds{job="a"}'),
        ("shop_process_resident_memory_bytes", "shop_process_start_time_seconds"),
        ('container_memory_rss{pod="p"}', 'container_start_time_seconds{pod="p"}'),
        ("container_memory_working_set_bytes", "container_start_time_seconds"),
        ("my_bytes", None),
        ("max(process_resident_memory_bytes)", None),
    ],
)
def test_the_start_times_are_those_beside_a_known_metric(memory: str, starts: str | None) -> None:
    found = start_query(query(memory))
    assert (found.text if found else None) == starts


def test_only_a_metric_with_file_pages_is_one() -> None:
    assert query("container_memory_working_set_bytes{}").counts_files
    assert not query("container_memory_rss").counts_files


def test_a_selector_is_asked_for_its_scraped_samples_day_by_day() -> None:
    """The ranges meet at their ends and cover the span, the last one ends with it."""
    forms = questions(query("m"), Span(END_S - 2.5 * DAY_S, END_S))
    assert [form["query"] for form in forms] == ["m[43200s]", "m[86400s]", "m[86400s]"]
    assert [float(form["time"]) for form in forms] == [END_S - 2 * DAY_S, END_S - DAY_S, END_S]


@pytest.mark.parametrize(("days", "step", "pieces"), [(0.5, "15", 1), (7, "60", 1), (30, "60", 4)])
def test_an_expression_is_asked_for_in_pieces_of_11000_points(days: float, step: str, pieces: int) -> None:
    """No piece has more points than Prometheus gives, and none of them repeats or leaves out a step."""
    forms = questions(query("sum(m)"), Span(END_S - days * DAY_S, END_S))
    assert [form["step"] for form in forms] == [step] * pieces
    for form in forms:
        assert (float(form["end"]) - float(form["start"])) / int(step) + 1 <= 11_000
    for one, after in pairwise(forms):
        assert float(after["start"]) - float(one["end"]) == int(step)
    assert float(forms[-1]["end"]) == END_S


class Answers:
    """An asker with one answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.endpoints: list[str] = []

    async def ask(self, endpoint: str, form: Mapping[str, str], option: str) -> bytes:  # noqa: ARG002
        self.endpoints.append(endpoint)
        return self.body


def test_a_selector_is_an_instant_query_and_an_expression_one_over_a_range() -> None:
    asker = Answers(matrix(({"pod": "a"}, [(END_S, 1.0)])).body)
    for text in ("m", "sum(m)"):
        (one,) = asyncio.run(fetch(asker, query(text), Span(END_S - DAY_S, END_S)))
        assert one.value.tolist() == [1.0]
    assert asker.endpoints == ["query", "query_range"]


def test_the_number_of_series_is_bounded() -> None:
    asker = Answers(matrix(*(({"pod": str(n)}, [(END_S, 1.0)]) for n in range(MOST_SERIES + 1))).body)
    with pytest.raises(RecordingError, match="1,001 series, at most 1,000"):
        asyncio.run(fetch(asker, query("m"), Span(END_S - DAY_S, END_S)))


def test_the_samples_of_all_exchanges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is small; what is kept of all of them is not."""
    monkeypatch.setattr(module, "MOST_SAMPLES", 20)
    asker = Answers(matrix(({"pod": "a"}, [(END_S - n, 1.0) for n in range(9, 0, -1)])).body)
    assert len(asyncio.run(fetch(asker, query("m"), Span(END_S - 2 * DAY_S, END_S)))) == 1
    with pytest.raises(RecordingError, match=r"--query: more than 20 samples; narrow .* shorter --since"):
        asyncio.run(fetch(asker, query("m"), Span(END_S - 3 * DAY_S, END_S)))
