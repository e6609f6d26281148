"""Rows of sites.csv: sites with their names as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.recording.replay import Site
from analysis.sites.naming import at
from analysis.sites.regression import MIN_SHARE, GrowingGroup
from analysis.sites.sources import Sources
from soak.contract import PASSES


def site_rows(
    sites: Sequence[GrowingGroup], of_pass: str, sources: Sources, leak: float | None, *, tasks_leak: bool
) -> tuple[Site, ...]:
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
            Site(
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
    return tuple(replace(row, rank=rank) for rank, row in enumerate(by_line(_kept(rows, leak)), 1))


def by_line(rows: Iterable[Site]) -> tuple[Site, ...]:
    """Return rows in their order: first those of the task, or the line of yours, that retains most in all of them."""
    order = {of_pass: place for place, of_pass in enumerate(PASSES)}
    ranked = sorted(  # of equal ones those of yours are first
        _lines(rows), key=lambda line: (order[line[0].of_pass], -_bytes(line), not line[0].your_line)
    )
    return tuple(row for line in ranked for row in sorted(line, key=lambda row: -row.bytes_per_request))


def _lines(rows: Iterable[Site]) -> list[list[Site]]:
    """Return rows by task, or line of yours: what it retains is often allocated at many lines of packages below it."""
    lines: dict[tuple[str, str], list[Site]] = {}
    for row in rows:
        lines.setdefault((row.of_pass, row.task or row.your_line or row.frames), []).append(row)
    return list(lines.values())


def _bytes(rows: Iterable[Site]) -> float:
    return sum(row.bytes_per_request for row in rows)


def _kept(rows: list[Site], leak: float | None) -> list[Site]:
    """Return the rows of the tasks, or lines of yours, that are MIN_SHARE of the leak in all of them."""
    least = MIN_SHARE * (leak if leak and leak > 0 else _bytes(rows))
    return [row for line in _lines(rows) if _bytes(line) >= least for row in line]


def merged(before: Sequence[Site], found: Sequence[Site], of_pass: str) -> tuple[Site, ...]:
    """Return the rows of all passes: those of other passes as they were, and those found in this one."""
    kept = [row for row in before if row.of_pass != of_pass]
    return (*kept, *(replace(row, of_pass=of_pass) for row in found))
