"""The words of a report on memory that Prometheus recorded: of which memory it is, and how it was had."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from analysis.judge.types import Margin
from analysis.prometheus.answers import Series
from analysis.prometheus.judged import judge_services
from analysis.prometheus.queries import Query, Span
from analysis.prometheus.question import Found, Question
from analysis.report.contents import ReportContents
from analysis.report.explanation import decided
from analysis.report.figures.memory import memory_figure
from analysis.report.html.alt import memory_alt
from analysis.report.prometheus import contents_of

BEGIN_S = 1.79e9
SPAN = Span(BEGIN_S, BEGIN_S + 72 * 3600)
RSS = "process_resident_memory_bytes"
WORKING_SET = "container_memory_working_set_bytes"


def contents(query: str) -> ReportContents:
    """Return what is shown of a pod that was read every five minutes for three days, and is flat."""
    t_s = np.arange(SPAN.start_s, SPAN.end_s, 300.0)
    noise = np.random.default_rng(1).normal(0, 2e5, len(t_s))
    memory, starts = (Series((("pod", "a"),), t_s, value) for value in (1e8 + noise, np.ones(len(t_s))))
    found = Found(Question(Query(query, "--query"), None, None, SPAN), (memory,), starts=(starts,))
    return contents_of(judge_services(found, "http://x", Margin(per_s=2**20 / 3600), None))


@pytest.mark.parametrize(
    ("query", "did"),
    [
        (RSS, "read it every 300 s"),
        (f'{RSS}{{job="shop"}}', "read it every 300 s"),
        (f"max by (pod) ({RSS})", "evaluated the query every 300 s"),
    ],
)
def test_the_step_of_an_expression_is_that_of_the_query(query: str, did: str) -> None:
    """Only of a selector are the samples those that Prometheus scraped."""
    assert f"was fetched from Prometheus, which {did}. Each service" in decided(contents(query))[0]


@pytest.mark.parametrize(
    ("query", "title", "name", "other"),
    [
        (RSS, "Resident memory", "RSS", "file pages"),
        (WORKING_SET, "Memory with file pages", "memory with file pages", "RSS"),
    ],
)
def test_a_figure_names_the_memory_that_it_shows(query: str, title: str, name: str, other: str) -> None:
    """In its title, beside its axis, in its legend, and in words."""
    shown = contents(query)
    assert memory_alt(shown).startswith(f"{title} over time. a went from ")
    figure = memory_figure(shown)
    assert figure is not None
    (axes,) = figure.axes
    texts = [one.get_text() for one in figure.findobj() if isinstance(one, Text)]
    assert axes.get_ylabel() == f"{name}, MiB"
    assert any(text.startswith(f"{title} under load") for text in texts)
    assert any(f"a: {name}; dotted: {name}, " in text for text in texts)
    assert not any(other in text for text in texts)
