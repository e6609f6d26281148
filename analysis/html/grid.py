"""Tables of the page as data; the template writes them."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.findings import Findings
from analysis.gates import LEAK_GATE
from analysis.latency import QUANTILE_NAMES
from analysis.words import memory_note

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


@dataclass(frozen=True, slots=True)
class GateLine:
    """A gate, with a word where the table leaves open why."""

    gate: str
    measured: str
    interval: str
    limit: str
    outcome: str
    why: str


def gate_lines(findings: Findings) -> tuple[GateLine, ...]:
    """Return the candidate's gates; the leak gate's reason is the verdict's own line."""
    return tuple(
        GateLine(
            gate.gate,
            gate.measured,
            gate.interval,
            gate.limit,
            gate.outcome,
            gate.why if gate.outcome != "pass" and gate.gate != LEAK_GATE else "",
        )
        for gate in findings.judged.gates
    )


def comparison_grid(findings: Findings) -> Grid:
    """Return before and after, against the article where the profile reproduces it."""
    manifest = findings.recording.manifest
    rows: tuple[tuple[str, ...], ...]
    if not manifest.article:
        rows = tuple(
            (row.measure, row.measured_before, row.measured_after, row.measured_change)
            for row in findings.rows
        )
        return Grid("Before and after", ("measure", "before", "after", "change"), rows, frozenset({1, 2, 3}))
    head = ("measure", "article before", "article after", "before", "after", "change", "reproduced", "rule")
    rows = tuple(
        (
            row.measure,
            row.article_before,
            row.article_after,
            row.measured_before,
            row.measured_after,
            row.measured_change,
            row.reproduced,
            row.rule,
        )
        for row in findings.rows
    )
    return Grid(
        "Before and after, against the article",
        head,
        rows,
        frozenset(range(1, 6)),
        memory_note(manifest.memory_scale),
    )


def load_grid(findings: Findings) -> Grid:
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
