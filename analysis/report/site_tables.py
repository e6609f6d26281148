"""Where what an arm retains was allocated: a table of each pass."""

from __future__ import annotations

from typing import Final

from analysis.formatting import format_bytes
from analysis.recording.replay import Site
from analysis.report.site_lines import UNFOUND, blocks_text, interval_text, why_no_lines
from analysis.report.tables import Table
from analysis.sites.found import PAST_ALLOCATORS, PYTHON, ArmSites, of_lines
from analysis.sites.regression import TURNOVER
from soak.contract import PASSES

SHOWN_SITES: Final = 12
"""Rows of a table: sites of a pass, or where there are more its lines of yours; sites.csv has all."""
SOURCE: Final = "source"
"""Head of the column with the text of the line."""
HEAD: Final = ("your line", SOURCE, "in", "by", "bytes", "95%", "blocks", "share", "endpoint")
NO_LINE: Final = "none of yours"
"""Your line of a site without one."""
MAY_BE_EMPTY: Final = ("in", "by", "endpoint")
"""Columns that are left out where no site has an entry."""

MAY_BE_HEALTHY: Final = "A line may be of a bounded cache that was still filling."
"""Sentence on lines that are no leak: a replay is too short to see that they come to an end."""


def site_tables(found: tuple[ArmSites, ...]) -> tuple[Table, ...]:
    """Return a table of each pass with sites of each arm; one without rows where an arm has none."""
    return tuple(table for one in found for table in _tables(one))


def _tables(found: ArmSites) -> list[Table]:
    passes = [one for one in PASSES if any(site.of_pass == one for site in found.sites)]
    if not passes:
        note = (
            f"Not replayed: {found.reason}."
            if found.status == "refused"
            else f"{_capital(why_no_lines(found))}."
        )
        return [Table(f"Allocated in {found.arm}", HEAD, (), note=" ".join([note, *_gaps(found)]))]
    return [_table(found, one, with_facts=one == passes[-1]) for one in passes]


def _table(found: ArmSites, of_pass: str, *, with_facts: bool) -> Table:
    sites = tuple(site for site in found.sites if site.of_pass == of_pass)
    by = "" if of_pass == PYTHON else ", by native code"
    is_long = len(sites) > SHOWN_SITES
    shown = of_lines(sites)[:SHOWN_SITES] if is_long else sites
    notes = [f"A row for each line of yours; sites.csv has all {len(sites)} sites."] if is_long else []
    notes += _sum(found, of_pass)
    notes += [*_facts(found), *_gaps(found)] if with_facts else []
    rows = tuple(map(_row, shown))
    table = Table(
        f"Allocated in {found.arm}{by}, per request", HEAD, rows, frozenset(HEAD[4:8]), " ".join(notes)
    )
    return table.without(*(name for name in MAY_BE_EMPTY if not any(row[HEAD.index(name)] for row in rows)))


def _row(site: Site) -> tuple[str, ...]:
    return (
        site.your_line or NO_LINE,
        site.source,
        site.in_line or ("" if site.your_line else site.allocated_line),
        site.function,
        format_bytes(site.bytes_per_request),
        interval_text(site),
        blocks_text(site, cell=True),
        "" if site.share is None else f"{site.share:.0%}",
        site.endpoint,
    )


def _sum(found: ArmSites, of_pass: str) -> list[str]:
    """Return how much of the leak the sites of a pass allocate, where that is known."""
    if found.leak is None or found.leak <= 0:
        return []
    total = found.total(of_pass)
    share, leak = total / found.leak, format_bytes(found.leak)
    if share > TURNOVER:
        text = f"{format_bytes(total)} per request against {leak} is more than the run kept: containers turn over."
        return [text]
    if share < PAST_ALLOCATORS and of_pass == PYTHON:
        past = format_bytes(found.leak - total)
        return [f"{past} of {leak} per request are allocated {UNFOUND}."]
    return [f"In all {format_bytes(total)} of {leak} per request, {share:.0%}."]


def _facts(found: ArmSites) -> list[str]:
    """Return what the replay was, that it decides nothing, and what of its lines may be healthy."""
    ended = f" It ended early: {found.reason}." if found.reason else ""
    return [
        f"From a replay after the run, {found.requests:,} requests in {found.seconds:.0f} s; no evidence for the "
        f"verdict.{ended}",
        *([MAY_BE_HEALTHY] if found.sites else []),
    ]


def _gaps(found: ArmSites) -> list[str]:
    return [f"{gap}." for gap in found.gaps]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
