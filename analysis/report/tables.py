"""Every table of a report, built once; terminal, Markdown and HTML show all of its columns or some."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from analysis.formatting import KIB, MIB
from analysis.incident.claims import Claim
from analysis.incident.formatting import memory_note
from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.model import Recording, sides
from analysis.report.contents import ReportContents
from analysis.report.gates import gate_rows
from analysis.slopes import Slope
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import interval_text, rate_text, signal_text
from soak.contract import verdict_name

MOST_EVENTS: Final = 200
"""Events in the table; of more, the first and the last are shown."""
NO_NUMBER: Final = "-"
"""A cell whose number is not known."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose cells are text as it is to be read."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    """Columns of numbers, by their heads; they are aligned on the right."""
    note: str = ""

    def without(self, *heads: str) -> Table:
        """Return the table without these columns."""
        places = [place for place, name in enumerate(self.head) if name not in heads]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return Table(self.caption, tuple(self.head[place] for place in places), rows, self.numeric, self.note)

    def column(self, head: str) -> tuple[str, ...]:
        """Return the cells of one column."""
        return tuple(row[self.head.index(head)] for row in self.rows)


def gate_table(judged: JudgedRun) -> Table | None:
    """Return the gates of the candidate; None where there is none."""
    gates = gate_rows(judged) if judged.signoff.candidate else ()
    head = ("gate", "measured", "95%", "limit", "outcome", "reason")
    rows = tuple((g.gate, g.measured, g.interval, g.limit, g.outcome, g.why) for g in gates)
    return Table(f"Gates of {gates[0].arm}", head, rows, frozenset(head[1:4])) if gates else None


def open_reasons(judged: JudgedRun) -> tuple[tuple[str, str], ...]:
    """Return name and reason of each gate that did not pass, but for a leak: its reason is the verdict."""
    return tuple((gate.gate, gate.open_why) for gate in gate_rows(judged) if gate.open_why)


def signal_table(verdict: ArmVerdict) -> Table:
    """Return the judgement on each signal of an arm."""
    head = ("signal", "verdict", "rate", "95%", "margin", "reason")
    rows = tuple(_signal(verdict, signal) for signal in verdict.signals)
    return Table(f"Signals of {verdict.arm}", head, rows, frozenset({"rate", "95%", "margin"}))


def _signal(verdict: ArmVerdict, signal: SignalVerdict) -> tuple[str, ...]:
    judgement = signal.judgement
    rate = verdict.margin.of(judgement.per_s, judgement.per_request)
    margin = signal.margin.amount
    name = judgement.signal
    return (
        signal_text(signal),
        verdict_name(judgement.verdict),
        "" if rate is None else rate_text(rate.value, name, verdict.margin),
        "" if rate is None else interval_text(rate, name, verdict.margin),
        rate_text(margin or 0.0, name, verdict.margin),
        judgement.reason,
    )


def comparison_table(contents: ReportContents) -> Table:
    """Return before and after, against the incident where the profile reproduces it; of one arm its figures alone.

    What neither arm has is left out, unless the incident has it.
    """
    manifest = contents.recording.manifest
    head: tuple[str, ...] = ("measure", "before", "after", "change")
    before, after = sides(contents.recording.arms)
    if not manifest.incident:
        plain = tuple(
            (row.measure, row.measured_before, row.measured_after, row.measured_change)
            for row in contents.rows
            if (row.measured_before_raw, row.measured_after_raw) != (None, None)
        )
        if (alone := before if after is None else after if before is None else None) is not None:
            place = 1 if after is None else 2
            return Table(
                "Measured",
                ("measure", alone.name),
                tuple((row[0], row[place]) for row in plain),
                frozenset({alone.name}),
            )
        return Table("Before and after", head, plain, frozenset(head[1:]))
    head = (
        "measure", "incident before", "incident after", "incident change",
        "measured before", "measured after", "measured change", "scale", "reproduced", "rule",
    )  # fmt: skip
    rows = tuple(
        (
            row.measure, row.incident_before, row.incident_after, row.incident_change,
            row.measured_before, row.measured_after, row.measured_change, row.scale, row.reproduced, row.rule,
        )
        for row in contents.rows
    )  # fmt: skip
    note = memory_note(manifest.memory_scale)
    return Table("Before and after, against the incident", head, rows, frozenset(head[1:7]), note)


def claims_table(contents: ReportContents) -> Table:
    """Return the claims about the incident, each with what was measured."""
    note = memory_note(contents.recording.manifest.memory_scale)
    return _claims("Claims about the incident", "claim", contents.claims, note)


def timeline_table(contents: ReportContents) -> Table:
    """Return the lines of the incident's log, each with the same moment of the run."""
    return _claims("The incident's log, and the same moments of this run (UTC)", "event", contents.timeline)


def _claims(caption: str, first: str, claims: Iterable[Claim], note: str = "") -> Table:
    head = (first, "incident", "measured", "reproduced", "explanation")
    rows = tuple(
        (claim.claim, claim.incident, claim.measured, claim.reproduced, claim.sentence) for claim in claims
    )
    return Table(caption, head, rows, note=note)


def load_table(contents: ReportContents) -> Table:
    """Return the load that was planned, and how much of it was delivered."""
    head: tuple[str, ...] = (
        "arm", "planned", "sent", "delivered while up", "ok", "failed", "failures", "missed", "of which while down",
        "p50, ms", "p99, ms",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for arm, load in zip(contents.recording.arms, contents.loads, strict=True):
        quantiles = dict(zip(QUANTILE_NAMES, arm.latency.latency_ms or (), strict=False))
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in load.failed.items() if n)
        rows.append(
            (
                arm.name,
                *(f"{n:,}" for n in (load.planned, load.sent)),
                NO_NUMBER if load.arrived is None else f"{load.arrived:.2%}",
                f"{load.ok:,}",
                f"{sum(load.failed.values()):,}",
                kinds,
                *(f"{n:,}" for n in (load.missed, load.missed_dead)),
                *(f"{quantiles[q]:,.1f}" if q in quantiles else NO_NUMBER for q in ("p50", "p99")),
            )
        )
    note = (
        "The users of a locustfile decided what was sent: no request was planned, and latency is the service time."
        if contents.recording.manifest.closed_loop
        else "Every request has a planned start and is sent to every arm at that instant; one that cannot start in "
        "time is missed and is never sent late."
    )
    if any(load.opened for load in contents.loads):
        head += ("WebSockets opened", "messages sent", "messages received")
        rows = [
            (*row, *(f"{n:,}" for n in (load.opened, load.messages_sent, load.messages_received)))
            for row, load in zip(rows, contents.loads, strict=True)
        ]
    return Table("Load", head, tuple(rows), frozenset(head[1:]) - {"failures"}, note)


def slope_table(contents: ReportContents) -> Table:
    """Return the plain slopes of each life under load."""
    manifest = contents.recording.manifest
    hour = "incident hour" if manifest.incident else "h"
    hours = manifest.hour_s / 3600 if manifest.incident else 1.0
    head = ("life", "readings", f"RSS MiB/{hour}", "RSS KiB/request", "blocks/request", "native KiB/request")
    rows = tuple(
        (
            f"{life.arm} {life.life}",
            f"{life.readings:,}",
            _slope(life.rss_bytes_per_hour, hours / MIB),
            _slope(life.rss_bytes_per_request, 1 / KIB),
            _slope(life.live_blocks_per_request, 1.0),
            _slope(life.malloc_in_use_bytes_per_request, 1 / KIB),
        )
        for life in contents.slopes
    )
    note = "Least-squares slopes of all readings under load; their 95% intervals are indicative only."
    return Table("Slopes under load", head, rows, frozenset(head[1:]), note)


def _slope(value: Slope | None, factor: float) -> str:
    """Return ``+76.32 ± 0.41``, in the unit that ``factor`` leads to."""
    if value is None:
        return NO_NUMBER
    digits = 2 if abs(value.value * factor) < 1000 else 0
    return f"{value.value * factor:+,.{digits}f} ± {value.half * factor:,.{digits}f}"


def ladder_table(recording: Recording) -> Table | None:
    """Return the readings of the quiesce ladder; None where no arm has one."""
    head = ("arm", "rung", "RSS MiB", "live blocks", "native MiB", "native free MiB", "finished tasks")
    rows = tuple(
        (
            arm.name,
            str(row.rung),
            _cell(row.rss_bytes, MIB, 1),
            _cell(row.live_blocks, 1, 0),
            _cell(row.malloc_in_use_bytes, MIB, 1),
            _cell(row.malloc_free_bytes, MIB, 1),
            _cell(row.tasks_finished, 1, 0),
        )
        for arm in recording.arms
        for row in arm.ladder.itertuples()
    )
    note = "After the drain, after gc.collect(), after malloc_trim(): what remains then is retained by the program."
    return Table("Quiesce ladder after the load", head, rows, frozenset(head[2:]), note) if rows else None


def _cell(value: object, unit: float, digits: int) -> str:
    number = float(str(value)) / unit
    return NO_NUMBER if math.isnan(number) else f"{number:,.{digits}f}"


def event_table(events: tuple[tuple[str, ...], ...]) -> Table:
    """Return the events, bounded: the first and the last of very many."""
    half = MOST_EVENTS // 2
    shown = events if len(events) <= MOST_EVENTS else (*events[:half], *events[-half:])
    left = len(events) - len(shown)
    note = f"{left:,} events between the first {half} and the last {half} are left out; events.csv has all."
    return Table("Events", ("time", "event", "arm", "life", "by", "detail"), shown, note=note if left else "")
