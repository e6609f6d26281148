"""The questions that fetch a query's series over a time, in pieces that Prometheus answers whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from analysis.prometheus.answers import Series, joined, read_answer
from soak.errors import RecordingError

PIECE_S: Final = 86_400
"""Longest range of scraped samples in one exchange, seconds."""
MOST_POINTS: Final = 11_000
"""Points of a series that Prometheus gives at most in one answer to query_range."""
STEP_S: Final = 60
"""Step of an expression, seconds; of less than a day SHORT_STEP_S."""
SHORT_STEP_S: Final = 15
"""Step of an expression over less than a day, seconds."""
MOST_SERIES: Final = 1000
"""Series of one query that are read at most."""
MOST_SAMPLES: Final = 25_000_000
"""Samples of one query that are read at most, over all exchanges: 400 MB; four days of MOST_SERIES series that are
scraped every 15 s have as many."""
STRING: Final = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
"""A string of PromQL."""
SELECTOR: Final = re.compile(
    rf"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(\{{(?:[^\"'`{{}}]|{STRING})*\}})?\s*", re.DOTALL
)
"""A bare selector: a metric's name, matchers of labels, or both."""
RATE: Final = re.compile(
    r"(?<![a-zA-Z0-9_:])(?:i?rate|deriv)\s*\(|(?:_|:)(?:i?rate|deriv)(?:[0-9]+[a-z]+)?(?![a-zA-Z0-9_:])"
)
"""A function, or the end of a recorded metric's name, that makes a query one of amounts per second."""
GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
"""Labels that an expression groups by or matches: names that are no metric's."""
START_TIMES: Final = (
    (re.compile(r"process_resident_memory_bytes$"), "process_start_time_seconds"),
    (re.compile(r"^container_memory_\w+$"), "container_start_time_seconds"),
)
"""Metrics of memory, and the metric that has the start time of the same process."""
COUNTS_FILES: Final = re.compile(r"\bcontainer_memory_(?:working_set|usage)_bytes\b")
"""Metrics of cAdvisor that count file pages."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, seconds since 1970."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Its length, seconds."""
        return self.end_s - self.start_s


class Asker(Protocol):
    """What exchanges a question for the body of an answer."""

    async def ask(self, endpoint: str, form: Mapping[str, str], option: str) -> bytes:
        """Return the body; raises RecordingError."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query as the user gave it, and the option that it stands in."""

    text: str
    option: str

    @property
    def metric(self) -> str:
        """The metric's name of a bare selector that has one; else empty."""
        parts = SELECTOR.fullmatch(self.text)
        return (parts[1] or "") if parts else ""

    @property
    def is_selector(self) -> bool:
        """Whether it is a bare selector, whose scraped samples can be fetched with their own times."""
        parts = SELECTOR.fullmatch(self.text)
        return parts is not None and bool(parts[1] or parts[2])

    @property
    def is_computed(self) -> bool:
        """Whether its values were computed of samples: by an expression, or by a rule, whose metric has a colon."""
        return not self.is_selector or ":" in self.metric

    @property
    def is_rate(self) -> bool:
        """Whether it yields requests per second rather than a counter, by its functions and the ends of names."""
        names = GROUPING.sub("", re.sub(r"\{[^}]*\}", "", re.sub(STRING, "", self.text)))
        return RATE.search(names) is not None

    @property
    def counts_files(self) -> bool:
        """Whether the memory that it names has file pages in it, which the kernel takes back when it needs them."""
        return COUNTS_FILES.search(self.text) is not None


def start_query(memory: Query) -> Query | None:
    """Return the selector of the start times of the processes whose memory this is; None where it is not known."""
    for metric, start in START_TIMES:
        if memory.is_selector and metric.search(memory.metric):
            name = metric.sub(start, memory.metric)
            return Query(memory.text.replace(memory.metric, name, 1), "the start times")
    return None


async def fetch(asker: Asker, query: Query, span: Span) -> tuple[Series, ...]:
    """Return the series of a query over ``span``; raises RecordingError.

    Of a bare selector they are the scraped samples; of an expression its values at equal steps.
    """
    parts, samples = [], 0
    for form in questions(query, span):
        body = await asker.ask("query" if query.is_selector else "query_range", form, query.option)
        series = read_answer(body, query.option)
        if len(series) > MOST_SERIES:
            raise RecordingError(
                f"{query.option}: {len(series):,} series, at most {MOST_SERIES:,} are read; narrow the query, or sum "
                "them by (pod)."
            )
        samples += sum(len(one.t_s) for one in series)
        if samples > MOST_SAMPLES:
            raise RecordingError(
                f"{query.option}: more than {MOST_SAMPLES:,} samples; narrow the query, or give a shorter --since."
            )
        parts.append(series)
    return joined(parts, span.start_s, span.end_s)


def questions(query: Query, span: Span) -> tuple[dict[str, str], ...]:
    """Return the forms that ask for a query over ``span``, in order of time."""
    if query.is_selector:
        ends = []
        end_s = span.end_s
        while end_s > span.start_s:
            ends.append((end_s, min(PIECE_S, max(1, round(end_s - span.start_s)))))
            end_s -= PIECE_S
        return tuple(
            {"query": f"{query.text.strip()}[{length_s}s]", "time": f"{end_s:.3f}"}
            for end_s, length_s in reversed(ends)
        )
    step_s = STEP_S if span.length_s >= PIECE_S else SHORT_STEP_S
    starts, start_s = [], span.start_s
    while start_s <= span.end_s:
        starts.append(start_s)
        start_s += step_s * MOST_POINTS
    return tuple(
        {
            "query": query.text,
            "start": f"{start_s:.3f}",
            "end": f"{min(start_s + step_s * (MOST_POINTS - 1), span.end_s):.3f}",
            "step": str(step_s),
        }
        for start_s in starts
    )
