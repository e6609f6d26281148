"""What a process states of itself in Prometheus's text format: the few series that are read, and their columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families

from soak.recording.csv_writer import Row

RSS: Final = "process_resident_memory_bytes"
START: Final = "process_start_time_seconds"
CPU: Final = "process_cpu_seconds_total"
COLLECTIONS: Final = "python_gc_collections_total"
GEN2: Final = "2"
"""Value of the label ``generation`` of a full collection."""
_WHOLE: Final = {
    RSS: "rss_bytes",
    "process_open_fds": "fds",
    "process_max_fds": "fds_limit",
}
"""Columns of the series that are whole numbers, one of each process."""
_SUMS: Final = {
    "python_gc_objects_collected_total": "gc_collected",
    "python_gc_objects_uncollectable_total": "gc_uncollectable",
}
"""Columns of the series that have one number for each generation of the collector."""
NAMES: Final = (START, CPU, COLLECTIONS, *_WHOLE, *_SUMS)
QUERY: Final = urlencode([("name[]", name) for name in NAMES], safe="[]")
"""Query that asks for these series alone; an exporter that has no ``name[]`` answers with all."""
MOST: Final = 2.0**60
"""Largest value that is taken; more bytes than any machine has, and far above all else."""
_LINES: Final = re.compile(rb"\n((?:" + "|".join(NAMES).encode() + rb")[ \t{][^\n]{1,500})")
"""The lines of those series; those of all others reach no parser, which takes 0.2 ms for each label set."""
LONGEST_LINE: Final = 500
"""Characters of a line of those series at most."""
MOST_LINES: Final = 100
"""Lines of those series at most: one process has 14."""


class MetricsError(Exception):
    """Metrics that could not be read this time; the text is a clause without a full stop."""


class RefusedError(MetricsError):
    """Metrics that will not do, whenever they are read; the text has the fix."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What one process states of itself at one moment."""

    start_s: float
    """When it was started, seconds of its own machine's clock: the same in each of its answers."""
    cpu_s: float | None
    """Processor time that it has used, seconds; never falls while it lives."""
    cells: Row
    """Columns of samples.csv with their readings; None for a series that it does not export."""


def read_exposition(body: bytes) -> Reported:
    """Return what a process states of itself.

    Raises MetricsError for what is not in the format, and RefusedError where its memory or its start are missing or
    are stated of several processes.
    """
    lines = [line.rstrip(b"\r") for line in _LINES.findall(b"\n" + body)]
    if len(lines) > MOST_LINES:
        raise RefusedError(
            f"it has {len(lines):,} series of the process; name one process by its own address"
        )
    if lines and len(max(lines, key=len)) > LONGEST_LINE:
        raise MetricsError(f"a line of more than {LONGEST_LINE} characters")
    series: dict[str, list[tuple[str, float]]] = {name: [] for name in NAMES}
    try:
        text = b"\n".join(lines).decode() + "\n"
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in series:
                    series[sample.name].append((sample.labels.get("generation", ""), sample.value))
    except Exception as error:  # noqa: BLE001 - the parser has no error of its own: any of Python's may come
        raise MetricsError(f"not in Prometheus's text format ({str(error)[:80]!r})") from None
    if missing := [name for name in (RSS, START) if not series[name]]:
        raise RefusedError(
            f"it has no {' and no '.join(missing)}, as in prometheus_client's multiprocess mode "
            "(PROMETHEUS_MULTIPROC_DIR); give an address at which one process exports its own"
        )
    for name in (START, CPU, *_WHOLE):
        if len(series[name]) > 1:
            raise RefusedError(
                f"it has {len(series[name])} series {name}; name one process by its own address"
            )
    whole = {column: _one(series[name], int) for name, column in _WHOLE.items()}
    sums = {column: _sum([value for _, value in series[name]]) for name, column in _SUMS.items()}
    gen2 = _sum([value for generation, value in series[COLLECTIONS] if generation == GEN2])
    start_s, cpu_s = _one(series[START], float), _one(series[CPU], float)
    if start_s is None or whole["rss_bytes"] is None:
        raise MetricsError(f"{START} or {RSS} is no possible number")
    return Reported(start_s, cpu_s, {**whole, "cpu_s": cpu_s, **sums, "gc_gen2_collections": gen2})


def _one(series: list[tuple[str, float]], kind: Callable[[float], float]) -> float | None:
    return kind(series[0][1]) if series and 0 <= series[0][1] <= MOST else None


def _sum(values: list[float]) -> int | None:
    return int(sum(values)) if values and all(0 <= value <= MOST for value in values) else None
