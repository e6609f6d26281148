"""Rows of sites.csv: sites with their names as they are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.recording.replay import Site as Row
from analysis.sites.naming import at
from analysis.sites.regression import MIN_SHARE, Site
from analysis.sites.sources import Sources
from soak.contract import PASSES


def site_rows(
    sites: Sequence[Site], of_pass: str, sources: Sources, leak: float | None, *, tasks_leak: bool
) -> tuple[Row, ...]:
    """Return a row of each site, ranked ``by_line``; ``leak`` is in bytes per request, None where it is not known.

    Where pending tasks are what is retained (``tasks_leak``) each row names the coroutine of the task that allocates.
    """
    cwd = sources.cwd
    rows = []
    for site in sites:
        name, frames = site.group.name, site.group.frames
        source = sources.line(*name.yours) if name.yours else ""
        task = ""
        if tasks_leak and name.root is not None:
            function = sources.function(*name.root, only_async=True)
            task = f"{function} ({at(name.root, cwd).rpartition(':')[0]})" if function else ""
        rows.append(
            Row(
                of_pass=of_pass,
                rank=0,
                your_line=at(name.yours, cwd),
                source=source,
                in_line=at(name.package, cwd),
                allocated_line=at(frames[0], cwd) if frames else "",
                task=task,
                function=site.group.function,
                bytes_per_request=site.bytes_per_request,
                low=None if site.low is None else max(0.0, site.low),
                high=site.high,
                blocks_per_request=site.blocks_per_request,
                share=site.bytes_per_request / leak if leak and leak > 0 else None,
                endpoint=site.endpoint,
                frames=" < ".join(at(frame, cwd) for frame in frames),
            )
        )
    kept = _kept(rows, leak) if tasks_leak else rows
    return tuple(replace(row, rank=rank) for rank, row in enumerate(by_line(kept), 1))


def by_line(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows in their order: first those of the task, or the line of yours, that retains most in all of them.

    What a line of yours retains is often allocated at many lines of packages below it.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.of_pass, row.task or row.your_line or row.frames), []).append(row)
    order = {of_pass: place for place, of_pass in enumerate(PASSES)}
    ranked = sorted(  # of equal ones those of yours are first
        groups.values(),
        key=lambda group: (
            order[group[0].of_pass],
            -sum(row.bytes_per_request for row in group),
            not group[0].your_line,
        ),
    )
    return tuple(row for group in ranked for row in sorted(group, key=lambda row: -row.bytes_per_request))


def _kept(rows: list[Row], leak: float | None) -> list[Row]:
    """Return the rows that are MIN_SHARE of the leak, alone or with the other parts of their task."""
    least = MIN_SHARE * (leak if leak and leak > 0 else sum(row.bytes_per_request for row in rows))
    of_task: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        of_task[row.task] += row.bytes_per_request
    return [
        row for row in rows if row.bytes_per_request >= least or (row.task and of_task[row.task] >= least)
    ]


def merged(before: Sequence[Row], found: Sequence[Row], of_pass: str) -> tuple[Row, ...]:
    """Return the rows of all passes: those of other passes as they were, and those found in this one."""
    kept = [row for row in before if row.of_pass != of_pass]
    return (*kept, *(replace(row, of_pass=of_pass) for row in found))
