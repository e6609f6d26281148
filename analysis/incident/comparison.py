"""The incident's comparison table beside what was measured.

Memory is compared as growth above each arm's own hour 0, because the scale of a run divides the growth but
not the interpreter and its libraries. Beside the real figure stands the same at the incident's scale: the
incident's memory at start plus the growth times the scale.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from analysis.formatting import format_bytes
from analysis.incident.checks import (
    CACHE,
    CACHE_BOUND_ENTRIES,
    SESSIONS_AFTER,
    SESSIONS_BEFORE,
    TASKS_AFTER,
    TASKS_BEFORE,
    Check,
    at_least,
    bounded_check,
    fewer_than,
    growth_check,
    oom_check,
    stable_check,
    start_check,
    unbounded_check,
)
from analysis.incident.formatting import format_megabytes
from analysis.incident.row import Cell, ComparisonRow, count_cell, make_row, memory_cell
from analysis.recording.gauges import PREFIX, gauge_names
from analysis.recording.measurements import (
    Measurement,
    growth,
    idle_memory,
    keeps_growing,
    life_at_hour_0,
    memory_under_load,
    peak,
    when,
)
from analysis.recording.model import Arm, Recording, sides
from analysis.recording.pending_tasks import PENDING
from soak.contract import INCIDENT_MEMORY_BYTES

INCIDENT_BEFORE: Final = dict(INCIDENT_MEMORY_BYTES)
INCIDENT_AFTER: Final = {0: 180e6, 1: 220e6, 6: 280e6}
"""The incident's gateway after the fix: hours since start, memory in bytes."""

AS_MEASURED: Final = "as measured"


def comparison_rows(recording: Recording) -> tuple[ComparisonRow, ...]:
    """Return the incident's rows when the run reproduces it, else before and after without a judgement.

    There are none of several attached processes, which are no builds of one service.
    """
    if recording.manifest.attached and len(recording.arms) > 1:
        return ()
    before, after = sides(recording.arms)
    if not recording.manifest.incident or before is None or after is None:
        return _plain_rows(recording, before, after)
    return (
        _start_row(recording, before, after),
        *(_hour_row(recording, before, after, hour) for hour in (1, 2, 3, 4)),
        _six_hour_row(recording, before, after),
        _tasks_row(before, after),
        _sessions_row(before, after),
        _cache_row(recording, before, after),
    )


def _start_row(recording: Recording, before: Arm, after: Arm) -> ComparisonRow:
    first, second = idle_memory(recording, before), idle_memory(recording, after)
    return make_row(
        "memory at start",
        (format_megabytes(INCIDENT_BEFORE[0]), format_megabytes(INCIDENT_AFTER[0]), "-10%"),
        memory_cell(first),
        memory_cell(second),
        checks=(start_check(first, second),),
        scale=AS_MEASURED,
    )


def _hour_row(recording: Recording, before: Arm, after: Arm, hour: int) -> ComparisonRow:
    """Compare one hour; the incident has a memory after the fix for the first of them only."""
    grown = growth(recording, before, hour)
    checks = [
        growth_check(grown, INCIDENT_BEFORE[hour] - INCIDENT_BEFORE[0], recording.manifest.memory_scale)
    ]
    incident = (format_megabytes(INCIDENT_BEFORE[hour]), "", "")
    if hour in INCIDENT_AFTER:
        checks.append(_stable_check(recording, after, hour))
        incident = (incident[0], format_megabytes(INCIDENT_AFTER[hour]), "-74%")
    return make_row(
        f"after {hour} h",
        incident,
        _scaled_cell(recording, INCIDENT_BEFORE[0], grown.now, grown.start),
        _after_cell(recording, after, hour),
        checks=tuple(checks),
        scale=_growth_scale(recording),
    )


def _stable_check(recording: Recording, after: Arm, hour: int) -> Check:
    incident_bytes = INCIDENT_AFTER[hour] - INCIDENT_AFTER[0]
    return stable_check(growth(recording, after, hour), incident_bytes, recording.manifest.memory_scale)


def _six_hour_row(recording: Recording, before: Arm, after: Arm) -> ComparisonRow:
    return make_row(
        "after 6 h",
        ("8 GB+ (OOM)", format_megabytes(INCIDENT_AFTER[6]), "-96%"),
        _end_cell(recording, before),
        _after_cell(recording, after, 6),
        checks=(oom_check(recording, before), _stable_check(recording, after, 6)),
        scale=_growth_scale(recording),
    )


def _tasks_row(before: Arm, after: Arm) -> ComparisonRow:
    first, second = peak(before, "tasks_finished"), peak(after, "tasks_finished")
    return make_row(
        "leaked tasks",
        (f"{TASKS_BEFORE}+", f"<{TASKS_AFTER}", "-99%"),
        count_cell(first),
        count_cell(second),
        checks=(at_least(first, TASKS_BEFORE, "finished tasks"), fewer_than(second, TASKS_AFTER)),
        unit="tasks",
        scale=AS_MEASURED,
    )


def _sessions_row(before: Arm, after: Arm) -> ComparisonRow:
    first, second = peak(before, "sessions_open"), peak(after, "sessions_open")
    return make_row(
        "leaked sessions",
        ("hundreds", f"<{SESSIONS_AFTER}", "-95%"),
        count_cell(first),
        count_cell(second),
        checks=(at_least(first, SESSIONS_BEFORE, "open sessions"), fewer_than(second, SESSIONS_AFTER)),
        unit="sessions",
        scale=AS_MEASURED,
    )


def _cache_row(recording: Recording, before: Arm, after: Arm) -> ComparisonRow:
    first, second = peak(before, CACHE), peak(after, CACHE)
    bounded = bounded_check(second)
    return make_row(
        "cache size",
        ("unbounded", f"{CACHE_BOUND_ENTRIES} entries", "bounded"),
        count_cell(first, ", growing" if keeps_growing(recording, before, CACHE) else ""),
        count_cell(second),
        checks=(unbounded_check(recording, before), bounded),
        unit="entries",
        scale=AS_MEASURED,
        changed="bounded" if bounded.met else "",
    )


def _after_cell(recording: Recording, after: Arm, hour: int) -> Cell:
    grown = growth(recording, after, hour)
    return _scaled_cell(recording, INCIDENT_AFTER[0], grown.now, grown.start)


def _end_cell(recording: Recording, before: Arm) -> Cell:
    """Return how the life that met the load ended and its highest memory; if it lives on, its memory at 6 h."""
    life, grown = life_at_hour_0(recording, before), growth(recording, before, 6)
    if life is None or not life.died:
        return _scaled_cell(recording, INCIDENT_BEFORE[0], grown.now, grown.start)
    cell = _scaled_cell(recording, INCIDENT_BEFORE[0], peak(before, "rss_bytes", life), grown.start)
    how = "OOM" if life.oom_killed else "ended"
    return Cell(f"{how} at {when(recording, life.end_s)}", cell.raw, cell.scaled)


def _scaled_cell(
    recording: Recording, incident_start_bytes: float, now: Measurement, start: Measurement
) -> Cell:
    if now.value is None or start.value is None:
        return memory_cell(now)
    grown_bytes = now.value - start.value
    return memory_cell(now, incident_start_bytes + grown_bytes * recording.manifest.memory_scale)


def _growth_scale(recording: Recording) -> str:
    scale = recording.manifest.memory_scale
    return AS_MEASURED if scale == 1 else f"growth x {scale:g}"


def _plain_rows(recording: Recording, before: Arm | None, after: Arm | None) -> tuple[ComparisonRow, ...]:
    """Return before and after cell by cell, without the incident."""
    measures: tuple[tuple[str, str, Callable[[Arm], Measurement]], ...] = (
        ("memory at start", "bytes", partial(idle_memory, recording)),
        ("at start of load", "bytes", partial(memory_under_load, recording, at_end=False)),
        ("at end of load", "bytes", partial(memory_under_load, recording, at_end=True)),
        ("highest memory", "bytes", partial(peak, column="rss_bytes")),
        ("finished tasks still referenced", "tasks", partial(peak, column="tasks_finished")),
        ("pending tasks", "tasks", partial(peak, column=PENDING)),
        ("sessions open", "sessions", partial(peak, column="sessions_open")),
        *(
            (name.replace("_", " "), "entries", partial(peak, column=PREFIX + name))
            for name in gauge_names(arm.samples for arm in recording.arms)
        ),
    )
    rows = []
    for measure, unit, read in measures:
        cell = _binary_cell if unit == "bytes" else count_cell
        first, second = (Cell("") if arm is None else cell(read(arm)) for arm in (before, after))
        rows.append(make_row(measure, ("", "", ""), first, second, unit=unit))
    return tuple(rows)


def _binary_cell(reading: Measurement) -> Cell:
    return Cell("not measured") if reading.value is None else Cell(format_bytes(reading.value), reading.value)
