"""The answers of Prometheus's HTTP API as series of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import BaseModel, ValidationError

from analysis.judge.types import Numbers
from soak.errors import RecordingError

NAME: Final = "__name__"
MOST_VALUE: Final = 1e18
"""Greatest plausible value, bytes, seconds or requests; NaN and infinity are beyond it, too."""
SLACK_S: Final = 1.0
"""Seconds by which a sample may lie beyond the span that was asked for: times are rounded to milliseconds."""
EXPRESSION_WARNING: Final = "PromQL"
NOTHING_STORED: Final = "No StoreAPIs matched for this query"
"""What Thanos warns of where no store has that time; then its answer is whole, and has no series."""
MOST_ERROR: Final = 200
"""Characters of a server's error that are quoted."""
Labels = tuple[tuple[str, str], ...]
"""Names and values of labels in order of name, the metric's name not among them."""


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one series in order of time; arrays of one length."""

    labels: Labels
    t_s: Numbers
    """Seconds since 1970."""
    value: Numbers

    def label(self, name: str) -> str:
        """Return the value of a label; empty without it, as Prometheus has it."""
        return dict(self.labels).get(name, "")


class _Result(BaseModel):
    metric: dict[str, str]
    values: list[tuple[float, float]] = []
    """Empty of a native histogram."""


class _Data(BaseModel):
    resultType: str  # noqa: N815 - the API's
    result: list[_Result] | None
    """None, as some write a list without an element."""


class _Answer(BaseModel):
    data: _Data
    warnings: list[str] | None = None
    """Stores that did not answer, and what is odd about the expression: that begins with EXPRESSION_WARNING."""
    isPartial: bool = False  # noqa: N815 - that of VictoriaMetrics


class _Error(BaseModel):
    error: str = ""


def error_of(body: bytes) -> str:
    """Return why Prometheus refused a query, as ``quoted``; empty where it is no such answer."""
    try:
        return quoted(_Error.model_validate_json(body).error)
    except ValidationError:
        return ""


def quoted(text: str) -> str:
    """Return a server's words as one printable line of at most MOST_ERROR characters, without a full stop."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split()).rstrip(".")
    return plain if len(plain) <= MOST_ERROR else f"{plain[: MOST_ERROR - 3]}..."


def read_answer(body: bytes, option: str) -> tuple[Series, ...]:
    """Return the series of an answer; raises RecordingError for one that is no matrix, or not whole."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        if why := error_of(body):
            raise RecordingError(f"{option}: Prometheus refused the query: {why}.") from None
        raise RecordingError(
            f"{option}: the answer is not one of Prometheus's API; give --prometheus the URL below which /api/v1 lies."
        ) from None
    data, results = answer.data, answer.data.result or []
    whole = (EXPRESSION_WARNING,) if results else (EXPRESSION_WARNING, NOTHING_STORED)
    missing = [one for one in answer.warnings or [] if not one.startswith(whole)]
    if answer.isPartial or missing:
        why = f" ({quoted(missing[0])})" if missing else ""
        raise RecordingError(f"{option}: the answer is not whole{why}; repeat this when every store answers.")
    if data.resultType != "matrix":
        raise RecordingError(
            f"{option}: the query yields a {data.resultType}, not series over time; give a selector or an expression "
            "of one."
        )
    series = tuple(_series(one) for one in results if one.values)
    if len({one.labels for one in series}) < len(series):
        raise RecordingError(
            f"{option}: several metrics have series of equal labels; name one metric, or sum them by (pod)."
        )
    return series


def joined(parts: Iterable[tuple[Series, ...]], start_s: float, end_s: float) -> tuple[Series, ...]:
    """Return the series of several answers about one query, those of equal labels as one; times strictly increase.

    Samples before ``start_s`` or after ``end_s``, which were not asked for, are left out.
    """
    pieces: dict[Labels, list[Series]] = {}
    for series in parts:
        for one in series:
            pieces.setdefault(one.labels, []).append(one)
    found = []
    for labels, those in sorted(pieces.items()):
        t_s, value = (
            np.concatenate(arrays) for arrays in zip(*((one.t_s, one.value) for one in those), strict=True)
        )
        t_s, first = np.unique(t_s, return_index=True)
        asked = (t_s >= start_s - SLACK_S) & (t_s <= end_s + SLACK_S)
        if asked.any():
            found.append(Series(labels, t_s[asked], value[first][asked]))
    return tuple(found)


def _series(one: _Result) -> Series:
    samples = np.array(one.values, dtype=np.float64)
    labels = tuple(sorted((name, value) for name, value in one.metric.items() if name != NAME))
    t_s, value = samples.T
    return Series(labels, t_s, np.where(np.abs(value) <= MOST_VALUE, value, np.nan))
