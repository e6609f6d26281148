"""A row of the comparison, put together from its two sides and its checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.formatting import format_change
from analysis.incident.checks import Check
from analysis.incident.formatting import format_megabytes
from analysis.recording.measurements import Measurement

Reproduced = Literal["yes", "no", "not measurable", ""]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One line of the comparison; its fields are the columns of comparison.csv."""

    measure: str
    incident_before: str
    incident_after: str
    incident_change: str
    measured_before: str
    measured_after: str
    measured_change: str
    scale: str
    reproduced: Reproduced
    rule: str
    unit: str
    """Unit of the raw columns."""
    measured_before_raw: float | None
    measured_after_raw: float | None
    incident_scale_before_raw: float | None
    """Memory at the incident's scale; None for other measures."""
    incident_scale_after_raw: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm's part of a row: its text, the number behind it, and that number at the incident's scale."""

    text: str
    raw: float | None = None
    scaled: float | None = None


def make_row(
    measure: str,
    incident: tuple[str, str, str],
    before: Cell,
    after: Cell,
    *,
    checks: tuple[Check, ...] = (),
    unit: str = "bytes",
    scale: str = "",
    changed: str | None = None,
) -> ComparisonRow:
    """Return the row; ``incident`` is its before, after and change, ``changed`` replaces the computed change."""
    if changed is None and before.scaled is not None and after.scaled is not None:
        changed = format_change(before.scaled, after.scaled)
    return ComparisonRow(
        measure=measure,
        incident_before=incident[0],
        incident_after=incident[1],
        incident_change=incident[2],
        measured_before=before.text,
        measured_after=after.text,
        measured_change=format_change(before.raw, after.raw) if changed is None else changed,
        scale=scale,
        reproduced=reproduced(checks),
        rule="; ".join(dict.fromkeys(check.sentence for check in checks)),
        unit=unit,
        measured_before_raw=before.raw,
        measured_after_raw=after.raw,
        incident_scale_before_raw=before.scaled,
        incident_scale_after_raw=after.scaled,
    )


def reproduced(checks: tuple[Check, ...]) -> Reproduced:
    """Return the outcome of a row: one condition not met is a no, whatever else was not measurable."""
    met = [check.met for check in checks]
    if not met:
        return ""
    if False in met:
        return "no"
    return "not measurable" if None in met else "yes"


def memory_cell(reading: Measurement, scaled: float | None = None) -> Cell:
    """Return memory in the incident's units: ``119 MB``, with ``scaled`` as ``119 MB (850 MB)``."""
    if reading.value is None:
        return Cell("not measured")
    at_scale = "" if scaled is None else f" ({format_megabytes(scaled)})"
    return Cell(f"{format_megabytes(reading.value)}{at_scale}", reading.value, scaled)


def count_cell(reading: Measurement, note: str = "") -> Cell:
    """Return a number of objects as ``13,360``, followed by ``note``."""
    if reading.value is None:
        return Cell("not measured")
    return Cell(f"{reading.value:,.0f}{note}", reading.value)
