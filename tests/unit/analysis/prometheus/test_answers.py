"""The answers of Prometheus as series."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from analysis.prometheus.answers import Series, error_of, joined, read_answer
from soak.errors import RecordingError
from tests.support.scripted_prometheus import Reply, matrix, refusal, success


def test_a_series_has_labels_without_its_name_and_numbers_as_they_are_written() -> None:
    reply = matrix(
        ({"__name__": "m", "pod": "a", "job": "b"}, [(1.5, 2e6), (2.5, float("nan")), (3.5, float("inf"))])
    )
    (one,) = read_answer(reply.body, "--query")
    assert one.labels == (("job", "b"), ("pod", "a"))
    assert one.label("pod") == "a"
    assert one.label("zone") == ""
    assert one.t_s.tolist() == [1.5, 2.5, 3.5]
    assert one.value[0] == 2e6
    assert np.isnan(one.value[1:]).all()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"status":"success"}', b'{"data":{"resultType":"matrix","result":[{"metric":3}]}}',
     b'{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_answer_of_prometheus_is_refused(body: bytes) -> None:
    with pytest.raises(RecordingError, match="--query: the answer is not one of Prometheus's API"):
        read_answer(body, "--query")


@pytest.mark.parametrize("kind", ["scalar", "string", "vector"])
def test_what_is_no_series_over_time_is_refused(kind: str) -> None:
    body = success({"resultType": kind, "result": []}).body
    with pytest.raises(RecordingError, match=f"yields a {kind}"):
        read_answer(body, "--query")


def test_a_native_histogram_has_no_samples() -> None:
    body = success({"resultType": "matrix", "result": [{"metric": {}, "histograms": []}]}).body
    assert read_answer(body, "--query") == ()


def test_two_metrics_of_one_process_are_refused() -> None:
    """One would be dropped, as their labels are equal but for the name."""
    reply = matrix(
        ({"__name__": "a", "pod": "x"}, [(1.0, 1.0)]), ({"__name__": "b", "pod": "x"}, [(1.0, 2.0)])
    )
    with pytest.raises(RecordingError, match="--query: several metrics have series of equal labels"):
        read_answer(reply.body, "--query")


def test_pieces_are_joined_and_a_sample_that_is_in_two_counts_once() -> None:
    labels = (("pod", "a"),)
    first = Series(labels, np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    second = Series(labels, np.array([2.0, 3.0]), np.array([20.0, 30.0]))
    (one,) = joined([(first,), (second,)], 0.0, 3.0)
    assert (one.t_s.tolist(), one.value.tolist()) == ([1, 2, 3], [10, 20, 30])


def test_samples_that_were_not_asked_for_are_left_out() -> None:
    """Times that are no number among them; a series without another sample is none."""
    times = np.array([np.nan, -np.inf, 5.0, 10.0, 1e300])
    some = Series((("pod", "a"),), times, np.ones(5))
    none = Series((("pod", "b"),), times[[0, 1, 4]], np.ones(3))
    (one,) = joined([(some, none)], 5.0, 10.0)
    assert (one.label("pod"), one.t_s.tolist()) == ("a", [5, 10])


@pytest.mark.parametrize(
    ("reply", "text"),
    [(refusal(400, "parse error. "), "parse error"), (Reply(b"<html>"), ""), (Reply(b"{}"), "")],
)
def test_why_a_query_was_refused(reply: Reply, text: str) -> None:
    assert error_of(reply.body) == text


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({"isPartial": True}, "the answer is not whole; repeat this when every store answers."),
        (
            {"warnings": ["remote_read: store b: connection refused."]},
            "the answer is not whole (remote_read: store b: connection refused); repeat this when every store answers.",
        ),
    ],
)
def test_an_answer_that_a_store_is_missing_from_is_refused(beside: dict[str, object], why: str) -> None:
    """VictoriaMetrics and Thanos answer so; series that are absent would be judged as if they were not there."""
    body = json.loads(matrix(({"pod": "a"}, [(1.0, 2e6)])).body) | beside
    with pytest.raises(RecordingError, match=f"^{re.escape(f'--query: {why}')}$"):
        read_answer(json.dumps(body).encode(), "--query")


@pytest.mark.parametrize("key", ["warnings", "infos"])
def test_null_is_an_empty_list(key: str) -> None:
    body = json.loads(matrix(({"pod": "a"}, [(1.0, 2e6)])).body) | {key: None}
    assert len(read_answer(json.dumps(body).encode(), "--query")) == 1
    assert read_answer(success({"resultType": "matrix", "result": None}).body, "--query") == ()


def test_a_piece_that_no_store_of_thanos_has_is_empty() -> None:
    """Its retention begins later; beside series, or another warning, something is missing."""
    warning = ["No StoreAPIs matched for this query"]
    empty = json.loads(matrix().body)
    assert read_answer(json.dumps(empty | {"warnings": warning}).encode(), "--query") == ()
    some = json.loads(matrix(({"pod": "a"}, [(1.0, 2e6)])).body)
    for body in (some | {"warnings": warning}, empty | {"warnings": [*warning, "store b: refused"]}):
        with pytest.raises(RecordingError, match="the answer is not whole"):
            read_answer(json.dumps(body).encode(), "--query")


def test_an_error_that_comes_as_a_success_is_quoted() -> None:
    with pytest.raises(RecordingError, match=r"^--query: Prometheus refused the query: too many samples\.$"):
        read_answer(refusal(200, "too many samples").body, "--query")


def test_a_warning_about_the_expression_leaves_its_answer_whole() -> None:
    body = json.loads(matrix(({"pod": "a"}, [(1.0, 2e6)])).body) | {"warnings": ["PromQL warning: a mix"]}
    assert len(read_answer(json.dumps(body).encode(), "--query")) == 1
