"""Censuses as text for people and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from soak.contract.units import mebibytes
from soak.heap.diff import Difference
from soak.heap.growth import SHOWN_AFTER, GrowingContainer
from soak.heap.model import Census


def census_table(census: Census, top: int) -> Group:
    """Return the types that take the most bytes, and the longest containers."""
    table = _table(("objects", "MiB", "share"), "type")
    for entry in census.types[:top]:
        share = entry.bytes / max(census.total_bytes, 1)
        table.add_row(f"{entry.objects:,}", mebibytes(entry.bytes, 2), f"{share:.1%}", Text(entry.name))
    rows: list[Text | Table] = [Text(headline(census)), Text(), table]
    rows += _more(len(census.types), top, "types")
    if census.containers:
        longest = _table(("length", "address"), "container")
        fewer = max(top // 3, 1)
        for container in census.containers[:fewer]:
            longest.add_row(f"{container.length:,}", hex(container.address), Text(container.type))
        rows += [Text(), longest, *_more(len(census.containers), fewer, "containers")]
    rows += [Text(), *(Text(line) for line in _collector_lines(census)), Text(cost_line(census))]
    return Group(*rows)


def _collector_lines(census: Census) -> list[str]:
    """Return what is known of the cyclic collector, where anything is."""
    lines = []
    if census.incremental_collector:
        lines.append(f"Python {census.release} has an incremental collector: reference cycles are freed late")
    if (totals := census.collector) is not None:
        lines.append(
            f"collector: {totals.full_collections:,} full collections, {totals.collected:,} objects freed, "
            f"{totals.uncollectable:,} uncollectable"
        )
    return lines


def difference_table(title: str, found: Difference, top: int) -> Group:
    """Return the types that grew or shrank, per second where the two censuses are of one process."""
    changed = [change for change in found.types if change.more_objects or change.more_bytes]
    columns = (
        "objects",
        "MiB",
        "+objects",
        "+MiB",
        *(() if found.seconds is None else ("objects/s", "KiB/s")),
    )
    table = _table(columns, "type")
    for change in changed[:top]:
        rates = []
        if found.seconds:
            rates = [
                f"{change.more_objects / found.seconds:,.1f}",
                f"{change.more_bytes / 1024 / found.seconds:,.1f}",
            ]
        elif found.seconds is not None:
            rates = ["", ""]
        table.add_row(
            f"{change.objects:,}",
            mebibytes(change.bytes, 2),
            f"{change.more_objects:+,}",
            f"{change.more_bytes / 2**20:+,.2f}",
            *rates,
            Text(change.name),
        )
    return Group(Text(title), Text(), table, *_more(len(changed), top, "changed types"))


def growth_table(census: Census, growing: Sequence[GrowingContainer], top: int) -> Group:
    """Return the containers that grew in each of the last censuses."""
    rows: list[Text | Table] = [Text(headline(census)), Text()]
    if growing:
        table = _table(("length", "+items", "items/s", "censuses", "address"), "container")
        for growth in growing[:top]:
            table.add_row(
                f"{growth.container.length:,}",
                f"{growth.more:+,}",
                f"{growth.more / max(growth.seconds, 1e-9):,.1f}",
                str(growth.censuses),
                hex(growth.container.address),
                Text(growth.container.type),
            )
        rows.append(table)
    else:
        over = f"{census.containers_over:,}"
        rows.append(Text(f"No container longer than {over} has grown {SHOWN_AFTER} times in a row so far."))
    return Group(*rows, Text(), Text(cost_line(census)))


def headline(census: Census) -> str:
    """Return what was counted, in one line."""
    return (
        f"pid {census.pid}, Python {census.python}: {census.total_objects:,} objects, "
        f"{mebibytes(census.total_bytes, 1)} MiB"
    )


def cost_line(census: Census) -> str:
    """Return what the census cost, in one line."""
    return (
        f"took {census.cost_s:.2f} s, {census.cpu_s:.2f} s of CPU, read {mebibytes(census.read_bytes, 0)} MiB; "
        f"checked against {census.checked_by}"
    )


def types_csv(census: Census) -> str:
    """Return the types as CSV: type, objects, size_bytes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("type", "objects", "size_bytes"))
    rows.writerows((entry.name, entry.objects, entry.bytes) for entry in census.types)
    return text.getvalue()


def _table(numbers: Sequence[str], name: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    table.add_column(name, overflow="fold")
    return table


def _more(count: int, top: int, what: str) -> list[Text]:
    return [Text(f"… and {count - top:,} more {what} (--top)")] if count > top else []
