"""What grew, and who holds it, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.formatting import format_bytes
from analysis.growth.arm import ArmGrowth
from analysis.growth.suspect import LeakSuspect
from analysis.incident.formatting import memory_note
from analysis.recording.latency import QUANTILE_NAMES
from analysis.report.contents import ReportContents
from analysis.report.growth_wording import number, split_small_suspects

HOUR_S = 3600
MOST_SUSPECTS = 12
"""Of one arm; who.csv has all."""


def growth_grid(findings: ReportContents) -> Grid | None:
    """Return a line for each thing that grew; None where no heap was counted and nothing grew."""
    if not any(one.censuses or one.suspects for one in findings.growth):
        return None
    rows = tuple(
        _row(grower) for one in findings.growth for grower in split_small_suspects(one)[0][:MOST_SUSPECTS]
    )
    head = ("arm", "who holds it", "kind", "items", "bytes", "share of growth", "evidence")
    note = " ".join(said for one in findings.growth if (said := _said(one)))
    return Grid("What grew, and who holds it", head, rows, frozenset({3, 4, 5}), note)


def _said(one: ArmGrowth) -> str:
    if not one.censuses:
        return f"Of {one.arm} the heap was not counted under load."
    if not one.suspects:
        return f"In {one.arm} nothing grew, in {one.censuses} censuses of its heap."
    left = len(one.suspects) - min(len(split_small_suspects(one)[0]), MOST_SUSPECTS)
    return f"{left} more of {one.arm} {'is' if left == 1 else 'are'} in who.csv." if left > 0 else ""


def _row(one: LeakSuspect) -> tuple[str, ...]:
    share = "" if one.share is None else f"{one.share:.0%}"
    return one.arm, one.name, one.kind, _items(one), _bytes(one), share, one.why


def _items(one: LeakSuspect) -> str:
    if one.items_per_request is not None:
        return f"{number(one.items_per_request)} per request"
    return "" if one.items_per_s is None else f"{number(one.items_per_s * HOUR_S)} per hour"


def _bytes(one: LeakSuspect) -> str:
    if one.bytes_per_request is not None:
        return f"{format_bytes(one.bytes_per_request)} per request"
    return "" if one.bytes_per_s is None else f"{format_bytes(one.bytes_per_s * HOUR_S)} per hour"


MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: all cells are text as it is to be read."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: frozenset[int] = frozenset()
    """Columns that are figures, set on the right."""
    note: str = ""


def comparison_grid(findings: ReportContents) -> Grid:
    """Return before and after, against the incident where the profile reproduces it."""
    manifest = findings.recording.manifest
    rows: tuple[tuple[str, ...], ...]
    if not manifest.incident:
        rows = tuple(
            (row.measure, row.measured_before, row.measured_after, row.measured_change)
            for row in findings.rows
        )
        return Grid("Before and after", ("measure", "before", "after", "change"), rows, frozenset({1, 2, 3}))
    head = ("measure", "incident before", "incident after", "before", "after", "change", "reproduced", "rule")
    rows = tuple(
        (
            row.measure,
            row.incident_before,
            row.incident_after,
            row.measured_before,
            row.measured_after,
            row.measured_change,
            row.reproduced,
            row.rule,
        )
        for row in findings.rows
    )
    return Grid(
        "Before and after, against the incident",
        head,
        rows,
        frozenset(range(1, 6)),
        memory_note(manifest.memory_scale),
    )


def load_grid(findings: ReportContents) -> Grid:
    """Return the load that was planned and what arrived of it."""
    rows = []
    for arm, load in zip(findings.recording.arms, findings.loads, strict=True):
        quantiles = dict(zip(QUANTILE_NAMES, arm.latency.latency_ms or (), strict=False))
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in load.failed.items() if n)
        rows.append(
            (
                arm.name,
                *(f"{n:,}" for n in (load.planned, load.sent)),
                "" if load.arrived is None else f"{load.arrived:.2%}",
                f"{load.ok:,}",
                f"{sum(load.failed.values()):,}{f' ({kinds})' if kinds else ''}",
                *(f"{n:,}" for n in (load.missed, load.missed_dead)),
                *(f"{quantiles[q]:.1f}" if q in quantiles else "" for q in ("p50", "p99")),
            )
        )
    closed_loop = findings.recording.manifest.closed_loop
    head = ("arm", "planned", "sent", "arrived while alive", "ok", "failed", "missed", "of them while dead")
    return Grid(
        "Load", (*head, "p50, ms", "p99, ms"), tuple(rows), frozenset(range(1, 10)),
        "What was sent was up to the users of a locustfile: nothing was planned, and latency is the service time."
        if closed_loop else
        "Every request has a planned start and goes to every arm at that instant; one that cannot start in time is "
        "missed and never sent late.",
    )  # fmt: skip


def event_grid(events: tuple[tuple[str, ...], ...]) -> Grid:
    """Return the events, bounded: the first and the last of very many."""
    half = MOST_EVENTS // 2
    shown = events if len(events) <= MOST_EVENTS else (*events[:half], *events[-half:])
    left = len(events) - len(shown)
    note = (
        f"{left:,} events between the first {half} and the last {half} are left out; events.csv has all."
        if left
        else ""
    )
    return Grid("Events", ("time", "event", "arm", "life", "by", "detail"), shown, note=note)
