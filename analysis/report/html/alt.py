"""The figures in words, for screen readers."""

from __future__ import annotations

from analysis.formatting import format_bytes
from analysis.recording.measurements import ended, peak
from analysis.recording.model import Arm, Recording, within
from analysis.report.contents import ReportContents
from analysis.report.figures.objects import panels
from analysis.report.figures.requests import requests_per_second
from analysis.report.figures.shown_memory import shown_memory


def memory_alt(contents: ReportContents) -> str:
    """Return the memory of each arm at the start and the end of the load."""
    recording = contents.recording
    limits = sorted({arm.limit_bytes for arm in recording.arms if arm.limit_bytes})
    limit = f" The memory limit is {' and '.join(format_bytes(size) for size in limits)}." if limits else ""
    each = " ".join(_memory(recording, arm) for arm in recording.arms)
    return f"{shown_memory(recording.arms).title} over time. {each}{limit}"


def objects_alt(contents: ReportContents) -> str:
    """Return the highest number of each kind of object, by arm."""
    sentences = []
    for column, title in panels(contents.recording):
        most = [(arm.name, peak(arm, column).value) for arm in contents.recording.arms]
        known = [f"{name} {value:,.0f}" for name, value in most if value is not None]
        sentences.append(f"{title}, maximum: {', '.join(known) or 'not read'}.")
    return f"Objects over time. {' '.join(sentences)}"


def requests_alt(contents: ReportContents) -> str:
    """Return the mean and the highest requests per second of each arm."""
    sentences = []
    for arm in contents.recording.arms:
        _, per_s = requests_per_second(arm)
        if len(per_s):
            sentences.append(f"{arm.name}: {per_s.mean():,.3g} on average, {per_s.max():,.3g} at most.")
    return f"Requests per second over time. {' '.join(sentences)}"


def latency_alt(contents: ReportContents) -> str:
    """Return the quantiles of each arm, and its failed and missed requests."""
    sentences = []
    for arm, load in zip(contents.recording.arms, contents.loads, strict=True):
        lost = f"{sum(load.failed.values()):,} failed and {load.missed:,} missed"
        quantiles = arm.latency.latency_ms
        times = (
            f"p50 {quantiles[0]:.1f} ms, p99 {quantiles[2]:.1f} ms, "
            if quantiles
            else "latencies not recorded, "
        )
        sentences.append(f"{arm.name}: {times}{lost}.")
    return f"Latency and failed requests over time. {' '.join(sentences)}"


def memory_breakdown_alt(contents: ReportContents) -> str:
    """Return the memory of each arm at the start and the end of the load, and the change of each part."""
    flows = [one.breakdown for one in contents.growth if one.breakdown]
    sentences = [
        f"{flow.arm} from {format_bytes(flow.start_bytes)} to {format_bytes(flow.end_bytes)}: "
        f"{', '.join(f'{name} {format_bytes(change, sign=True)}' for name, change in flow.parts)}."
        for flow in flows
    ]
    return f"Memory at the start and the end of the load, and the change of each part. {' '.join(sentences)}"


def _memory(recording: Recording, arm: Arm) -> str:
    load = recording.load
    rows = arm.samples if load is None else within(arm.samples, load.start_s, load.end_s)
    rows = rows[["life", "rss_bytes"]].dropna()
    if rows.empty:
        return f"{arm.name} was not read."
    deaths = [life for life in arm.lives if life.died]
    seen = rows[rows["life"] == rows["life"].iloc[0]] if deaths else rows
    first, last = (format_bytes(seen["rss_bytes"].iloc[place]) for place in (0, -1))
    moved = f"{arm.name} went from {first} to {last}"
    own = [life for life in deaths if life.number == seen["life"].iloc[0]]
    end = f"and {ended(recording, own[0])}" if own else "under load"
    more = f"; {len(deaths) - len(own)} more lives ended" if len(deaths) > len(own) else ""
    return f"{moved} {end}{more}."
