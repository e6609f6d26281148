"""What leaves a service INCONCLUSIVE, whatever its memory did."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from analysis.external.cells import MIN_PEAK_BYTES
from analysis.external.named_units import NAMED_SIZES, named_unit
from analysis.external.resolution import PAGE_BYTES
from analysis.formatting import format_duration
from analysis.judge.frozen import MIN_SAMPLES
from analysis.judge.types import SignalSeries
from analysis.prometheus.lives import PROCESS
from analysis.prometheus.queries import Query
from analysis.prometheus.query_unit import COUNTER, is_counter, times_bytes
from analysis.prometheus.rollouts import Chain
from analysis.prometheus.turns import takes_turns
from analysis.verdict.daily_load import daily_load_doubt
from analysis.verdict.validity import Objection, ObjectionKind
from soak.contract.evidence import MIN_READINGS_UNDER_LOAD

GIVE_REQUESTS: Final = "given by --requests-query"
"""How the requests become known, in the objection that they are not."""
PAGED: Final = re.compile(r"resident|rss|working_set|^container_memory_")
"""Metrics of memory that the kernel counts, in pages; a runtime's heap may have any number of bytes."""
MOST_BROKEN_SHARE: Final = 0.5
"""Share of the values up to which they may be no whole pages."""


def service_objections(
    query: Query, chain: Chain, readings: SignalSeries, vanished_s: float
) -> tuple[Objection, ...]:
    """Return what leaves the service INCONCLUSIVE, the first first.

    ``query`` is that of memory. ``vanished_s`` is for how long it was not seen before the end, seconds; 0 where that is
    too short to matter.
    """
    found = (
        (ObjectionKind.UNREAD, _too_small(readings) or _other_unit(query, readings)),
        (ObjectionKind.GAP, _counter(query) or _scaled(query)),
        (ObjectionKind.GAP, _sum(query, chain) or _several_processes(chain, readings)),
        (ObjectionKind.UNREAD, _too_few(readings)),
        (ObjectionKind.UNREAD, _vanished(vanished_s)),
        (ObjectionKind.UNREAD, _constant(readings)),
        (ObjectionKind.UNREAD, _starts_not_known(chain)),
        (ObjectionKind.DAY, daily_load_doubt(readings, GIVE_REQUESTS)),
    )
    return tuple(Objection(chain.name, kind, text) for kind, text in found if text)


def _too_small(readings: SignalSeries) -> str:
    highest = float(np.nanmax(readings.value, initial=0.0))
    if not 0 < highest < MIN_PEAK_BYTES:
        return ""
    return (
        f"its highest value is {highest:,.7g} bytes, too few for a process: give --query in bytes, or leave out "
        "what has so few"
    )


def _other_unit(query: Query, readings: SignalSeries) -> str:
    """Return that the values of a bare selector may be no bytes, by the metric's name or by its values.

    What the kernel counts is whole pages, and so is what has no unit in its name taken to be; averages are not.
    """
    if not query.is_selector:
        return ""
    unit = named_unit(query.metric, NAMED_SIZES)
    memory = readings.value[np.isfinite(readings.value)]
    broken = int((memory % PAGE_BYTES != 0).sum())
    if unit is not None and unit != 1:
        return (
            f"{query.metric} ends with a unit that is not bytes: give --query in bytes, for example {query.metric} * "
            f"{unit:.0f}"
        )
    counted = unit is None or PAGED.search(query.metric)
    if query.is_computed or not counted or broken <= MOST_BROKEN_SHARE * len(memory):
        return ""
    metric = query.metric or "metric"
    return (
        f"most of its values are no whole number of pages of {PAGE_BYTES:,} bytes, so they may be in KiB: give --query "
        f"in bytes, for example {metric} * 1024, or {metric} * 1 if they are bytes"
    )


def _counter(query: Query) -> str:
    if not is_counter(query):
        return ""
    return (
        f"{query.metric} ends with {COUNTER}, as counters do, which rise whatever memory does: give --query the memory "
        f"of a process, or {query.metric} * 1 if it is that"
    )


def _scaled(query: Query) -> str:
    """Return that an expression is in another unit by its factors, in which a leak is too small, or too great."""
    times = 1.0 if query.is_selector else times_bytes(query)
    if times == 1.0:
        return ""
    much = f"a {1 / times:,.0f}th of" if times < 1 else f"{times:,.0f} times"
    return (
        f"by its factors --query yields {much} the bytes: give it in bytes, as its margin and its limit are"
    )


def _sum(query: Query, chain: Chain) -> str:
    """Return that values that were computed are of no process by name; a scraped one is of the process that has it."""
    series = (one.series for one in chain.parts)
    if not query.is_computed or all(any(map(one.label, PROCESS)) for one in series):
        return ""
    return (
        "it has no label that names a process, such as pod or instance, and a sum of processes jumps with each that "
        "comes or goes: query each, by a selector or by (pod)"
    )


def _several_processes(chain: Chain, readings: SignalSeries) -> str:
    """Return that several processes answer; children of one parent may have equal start times, but not equal memory."""
    if several := max(one.several for one in chain.parts):
        what = f"{several} start times take turns"
    elif takes_turns(readings.value, readings.life):
        what = "its samples take turns between levels that drift far apart"
    else:
        return ""
    return (
        f"{what}, as those of several processes behind one address do: have Prometheus scrape each process by an "
        "address of its own"
    )


def _too_few(readings: SignalSeries) -> str:
    count = int(np.isfinite(readings.value).sum())
    if count >= MIN_READINGS_UNDER_LOAD:
        return ""
    return f"it has {count} samples: judge it again when it has {MIN_READINGS_UNDER_LOAD} or more"


def _vanished(vanished_s: float) -> str:
    if not vanished_s:
        return ""
    ago = format_duration(vanished_s)
    return (
        f"it was last seen {ago} before the end, and what leaked since is not known: have Prometheus scrape it "
        f"again, or, if it was to end, leave it out of --query or give a --since of less than {ago}"
    )


def _constant(readings: SignalSeries) -> str:
    """Return that the value never changed; one that leaks before it freezes is told by the verdict."""
    value = readings.value[np.isfinite(readings.value)]
    if len(value) < MIN_SAMPLES or value.min() != value.max():
        return ""
    return (
        f"it is {value[0]:,.0f} bytes in all {len(value):,} samples: is it measured? Have it measured, or, if the "
        "process was idle, judge it when it has worked"
    )


def _starts_not_known(chain: Chain) -> str:
    if all(one.known for one in chain.parts):
        return ""
    return (
        "when its process was started is not known, and a restart can hide a leak: name the metric of its start "
        "time by --start-query"
    )
