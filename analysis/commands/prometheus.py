"""``soak judge --prometheus``: verdicts on memory that Prometheus recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from analysis.commands.answer import Answer
from analysis.judge.types import Margin
from analysis.prometheus.access import Access, read_access
from analysis.prometheus.client import Client
from analysis.prometheus.judged import JudgedServices, judge_services
from analysis.prometheus.queries import Query, Span, start_query
from analysis.prometheus.query_unit import yields_changes
from analysis.prometheus.question import Found, Question, ask
from analysis.prometheus.words import Words
from analysis.report.terminal.tables import render
from analysis.verdict.wording import verdict_line
from soak.contract.units import parse_duration, parse_leak_per_time, parse_limit_option, parse_option
from soak.errors import UsageError

LEAST_SINCE_S = 600.0
"""Shortest time that is judged, seconds."""
MOST_SINCE_S = 366 * 86_400.0
"""Longest time that is judged, seconds."""


def judge_prometheus(words: Words, now_s: float, show: Callable[[str], None]) -> Answer:
    """Fetch what the options name, judge it, and write the report where one is asked for.

    ``now_s`` is the end of the time that is judged, seconds since 1970. ``show`` prints the verdicts where they are not
    to wait for a report. Raises UsageError for an option, RecordingError for what could not be fetched, HarnessError
    where the report cannot be written.
    """
    if not words.query.strip():
        raise UsageError(
            "--prometheus needs --query, for example --query 'process_resident_memory_bytes{job=\"shop\"}'."
        )
    memory = Query(words.query.strip(), "--query")
    if yields_changes(memory):
        raise UsageError(
            "--query yields what memory changes by, which stays the same while it leaks: give the memory itself, for "
            "example process_resident_memory_bytes."
        )
    access = read_access(words.url, words.bearer_file, words.basic_file, words.ca_file)
    since_s = read_since(words.since)
    margin = Margin(per_s=parse_option("--max-leak", words.max_leak, parse_leak_per_time).per_s)
    limit_bytes = parse_limit_option(words.limit)
    check_report(words.report)
    question = Question(
        memory,
        read_query("--requests-query", words.requests_query),
        read_query("--start-query", words.start_query) or start_query(memory),
        Span(now_s - since_s, now_s),
    )
    found = asyncio.run(_fetched(access, question))
    judged = judge_services(found, str(access.url), margin, limit_bytes)
    text = _text(judged)
    if words.report is not None:
        from analysis.report.prometheus import write_report  # noqa: PLC0415 - a second of matplotlib

        show(text)
        write_report(words.report, judged)
        text = f"Report: {words.report / 'report.html'}\n"
    return Answer(text, judged.judged.signoff.exit_code)


async def _fetched(access: Access, question: Question) -> Found:
    async with Client(access) as client:
        return await ask(client, question)


def check_report(directory: Path | None) -> None:
    """Raise UsageError where ``--report`` names what cannot be made, or written into, before anything is fetched."""
    if directory is None:
        return
    if directory.is_symlink():
        raise UsageError(
            f"--report {directory}: it is a link, and nothing is written through one; name a directory."
        )
    if directory.exists():
        if not directory.is_dir():
            raise UsageError(
                f"--report {directory}: it is no directory; name one, or one that is to be made."
            )
        into = directory
    else:
        into = directory.parent
        if not into.is_dir():
            raise UsageError(f"--report {directory}: {into} is no directory; make it first.")
    if not os.access(into, os.W_OK | os.X_OK):
        raise UsageError(f"--report {directory}: {into} cannot be written to; name another directory.")


def read_query(option: str, text: str) -> Query | None:
    """Return the query that an option gave; None without one."""
    return Query(text.strip(), option) if text.strip() else None


def read_since(text: str) -> float:
    """Return the seconds of ``--since``, of a week where it was not given; raises UsageError."""
    since_s = parse_option("--since", text or "7d", parse_duration)
    if not LEAST_SINCE_S <= since_s <= MOST_SINCE_S:
        raise UsageError(f"--since {text}: give a time from 10min to 366d.")
    return since_s


def _text(judged: JudgedServices) -> str:
    lines = [*(verdict_line(verdict) for verdict in judged.judged.verdicts)]
    if judged.notes:
        lines += ["", *judged.notes]
    return render([Text(line) for line in lines])
