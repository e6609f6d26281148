"""What is asked of Prometheus, and its answer: memory, start times and requests over one span."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.formatting import format_duration
from analysis.prometheus.answers import Series
from analysis.prometheus.queries import Asker, Query, Span, fetch
from analysis.prometheus.requests import check_counters
from soak.errors import RecordingError


@dataclass(frozen=True, slots=True)
class Question:
    """The queries of one judgement."""

    memory: Query
    requests: Query | None
    """A counter of requests, or requests per second; None: they are not known."""
    starts: Query | None
    """Start times of the processes, seconds since 1970; None: they are not known."""
    span: Span


@dataclass(frozen=True, slots=True)
class Found:
    """The series that were found."""

    question: Question
    memory: tuple[Series, ...]
    requests: tuple[Series, ...] = ()
    starts: tuple[Series, ...] = ()


async def ask(asker: Asker, question: Question) -> Found:
    """Fetch every query, one exchange after the other; raises RecordingError, also where there is no memory."""
    memory = await fetch_known(asker, question.memory, question.span)
    starts = await fetch(asker, question.starts, question.span) if question.starts else ()
    requests = await fetch_requests(asker, question.requests, question.span)
    return Found(question, memory, requests, starts)


async def fetch_requests(asker: Asker, query: Query | None, span: Span) -> tuple[Series, ...]:
    """Return the series of requests, none without a query; raises RecordingError where they cannot be counted."""
    if query is None:
        return ()
    requests = await fetch_known(asker, query, span)
    check_counters(requests, query)
    return requests


async def fetch_known(asker: Asker, query: Query, span: Span) -> tuple[Series, ...]:
    """Return the series of a query that must have some; raises RecordingError."""
    series = await fetch(asker, query, span)
    if not series:
        raise RecordingError(
            f"{query.option}: no series in the last {format_duration(span.length_s)}; compare its labels with those "
            "that Prometheus has, or raise --since."
        )
    return series
