"""The processes of each arm that has several, as a table: which of them grow."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Final

from analysis.formatting import format_bytes, format_duration
from analysis.judge.types import Margin, Rate
from analysis.prometheus.judged import FILE_PAGES
from analysis.prometheus.queries import Query
from analysis.report.contents import ReportContents
from analysis.report.tables import NO_NUMBER, Table
from analysis.verdict.processes import ProcessRow
from analysis.verdict.signals import RSS
from analysis.verdict.wording import SIGNAL_NAMES, interval_text, rate_text

MOST_DRAWN: Final = 6
"""Services in a figure: with more, none can be told from another."""
EDGE_S: Final = 2.0
"""Seconds of the load at its start and end that a process may lack and still be there for the whole load."""


def process_tables(contents: ReportContents) -> tuple[Table, ...]:
    """Return the services of Prometheus, and the processes of each arm that had several at a time; else empty.

    Processes that are not judged are a line below.
    """
    load = contents.recording.load
    margins = {verdict.arm: verdict.margin for verdict in contents.judged.verdicts}
    load_s = 0.0 if load is None else load.end_s - load.start_s
    services = (service_table(contents),) if contents.services else ()
    return services + tuple(
        _process_table(name, tuple(rows), margins[name], load_s)
        for name, rows in groupby(contents.processes, key=lambda row: row.arm)
    )


def service_table(contents: ReportContents) -> Table:
    """Return the services whose memory is Prometheus's; no rows of a run."""
    head = (
        "service", "samples", "roll-outs", "restarts", "longest life", "memory at end", "requests/s",
        "busiest to quietest hour",
    )  # fmt: skip
    rows = tuple(
        (
            row.service,
            f"{row.samples:,}",
            str(row.rollouts),
            str(row.restarts),
            format_duration(row.longest_life_s),
            NO_NUMBER if row.memory_bytes is None else format_bytes(row.memory_bytes),
            "not known" if row.requests_per_s is None else f"{row.requests_per_s:,.3g}",
            NO_NUMBER if row.ratio is None else "no end" if math.isinf(row.ratio) else f"{row.ratio:,.1f}",
        )
        for row in contents.services
    )
    asked = contents.recording.manifest.prometheus
    notes = [FILE_PAGES] if asked is not None and Query(asked.query, "").counts_files else []
    if len(rows) > MOST_DRAWN:
        notes.append(
            f"The figures have {MOST_DRAWN} of {len(rows)}: leaks first, then what is open, then the rest."
        )
    return Table("What was watched", head, rows, frozenset(head[1:]), " ".join(notes))


def _process_table(arm: str, rows: tuple[ProcessRow, ...], margin: Margin, load_s: float) -> Table:
    head = ("process", "alive", "RSS at end", "growth", "rate", "95%")
    judged = [row for row in rows if row.growth != "not judged"]
    shown = tuple(
        (
            f"{row.role} {row.pid or NO_NUMBER} (life {row.life})",
            _alive(row, load_s),
            NO_NUMBER if row.rss_bytes is None else format_bytes(row.rss_bytes),
            row.growth,
            *_rate(row, margin),
        )
        for row in judged
    )
    judged_by = " or, where unread, ".join(
        SIGNAL_NAMES[name] for name in SIGNAL_NAMES if name in {row.signal for row in rows}
    )
    note = (
        f"Growth is judged by {judged_by} and an equal part of the margin; "
        f"the verdict on {arm} is on the sum of its processes."
    )
    if rest := rows[len(judged) :]:
        gained = sum(row.gained_bytes or 0.0 for row in rest)
        more = "1 more process" if len(rest) == 1 else f"{len(rest)} more processes"
        note += f" {more}, not judged, gained {format_bytes(gained)} in all; processes.csv lists all."
    return Table(
        f"Processes of {arm} under load", head, shown, frozenset({"RSS at end", "rate", "95%"}), note
    )


def _alive(row: ProcessRow, load_s: float) -> str:
    """Return when it was alive, as durations from the start of the load: ``40 s to 3 min``."""
    late, early = row.from_s > EDGE_S, row.to_s < load_s - EDGE_S
    if late and early:
        return f"{format_duration(row.from_s)} to {format_duration(row.to_s)}"
    if late:
        return f"from {format_duration(row.from_s)} on"
    return f"until {format_duration(row.to_s)}" if early else "whole load"


def _rate(row: ProcessRow, margin: Margin) -> tuple[str, str]:
    value, low, high = margin.of(
        (row.bytes_per_s, row.bytes_per_s_low, row.bytes_per_s_high),
        (row.bytes_per_request, row.bytes_per_request_low, row.bytes_per_request_high),
    )
    if value is None or low is None or high is None:
        return NO_NUMBER, NO_NUMBER
    return rate_text(value, RSS, margin), interval_text(Rate(value, low, high), RSS, margin)
