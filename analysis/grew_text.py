"""What grew, and who holds it, as text for the terminal and as Markdown."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.console import new_table
from analysis.grew import ArmGrew
from analysis.grower import Grower
from analysis.kinds import short
from analysis.markdown_table import literal, markdown_table
from analysis.words import size

SMALL: Final = 0.001
"""Of the growth of memory: what is less gets no line of its own."""
NOTHING: Final = "nothing"
KIND_WIDTH: Final = 23
"""Columns for a kind, so that a path has the room."""


def grew_parts(grew: tuple[ArmGrew, ...]) -> list[RenderableType]:
    """Return the part of the report; nothing at all where nothing is known of any arm."""
    seen = [arm for arm in grew if arm.censuses or arm.growers]
    if not seen:
        return []
    parts: list[RenderableType] = [Text("\nWhat grew under load, and who holds it")]
    for arm in seen:
        if not arm.growers:
            parts.append(Text(f"{arm.arm}: {NOTHING}."))
            continue
        told, small = told_and_small(arm)
        parts += [Text(f"{arm.arm}, {clock_text(arm)}:"), _table(told)]
        parts += [Text(small)] if small else []
    return parts


def grew_markdown(grew: tuple[ArmGrew, ...]) -> list[str]:
    """Return the same as lines of Markdown, with the growing types."""
    seen = [arm for arm in grew if arm.censuses or arm.growers]
    lines = []
    for arm in seen:
        lines += ["", f"## What grew in {literal(arm.arm)}", ""]
        if not arm.growers:
            lines.append(f"{NOTHING.capitalize()}.")
        else:
            clock = clock_text(arm)
            head = [
                "who holds it",
                "kind",
                f"items {clock}",
                f"bytes {clock}",
                "share of memory's growth",
                "why",
            ]
            told, small = told_and_small(arm)
            rows = [[one.name, one.kind, *figures(one, interval=True), one.why] for one in told]
            lines += markdown_table(head, rows)
            lines += ["", small] if small else []
        if arm.growers and arm.types:
            head = ["type", f"objects {clock_text(arm)}", f"bytes {clock_text(arm)}", "share", "held by"]
            lines += ["", "Types whose bytes grow:", "", *markdown_table(head, _types(arm))]
    return lines


def clock_text(arm: ArmGrew) -> str:
    """Return what the rates of an arm are counted by: requests, or seconds where the requests are not known."""
    return "per request" if _per_request(arm) else "per second"


def figures(one: Grower, *, interval: bool = False) -> tuple[str, str, str]:
    """Return items, bytes and the share of a line, in the clock that is known; empty where there is none."""
    requests = one.items_per_request is not None or one.bytes_per_request is not None
    items = one.items_per_request if requests else one.items_per_s
    size_bytes = one.bytes_per_request if requests else one.bytes_per_s
    low, high = one.items_per_request_low, one.items_per_request_high
    around = (
        f" ({number(low)} to {number(high)})" if interval and low is not None and high is not None else ""
    )
    return (
        "" if items is None else number(items) + around,
        "" if size_bytes is None else size(size_bytes),
        "" if one.share is None else f"{one.share:.0%}",
    )


def number(items: float) -> str:
    """Return a number of items in three digits: ``1.00``, ``0.0123``, ``1,240``."""
    if abs(items) >= 100:
        return f"{items:,.0f}"
    digits = 2 if abs(items) >= 0.995 else 3
    return f"{items:.{digits}f}" if abs(items) >= 0.0995 else f"{items:.2g}"


def suspect_text(one: Grower) -> str:
    """Return a line's holder, the last two names of its path, and its rate: ``…state.cache: +1.00 items/request``."""
    path = one.holder.rpartition(" ")[2]
    name = one.holder or short(one.type) or one.kind
    if path.count(".") > 1 or path != one.holder:
        name = "…" + ".".join(path.split(".")[-2:])
    items, unit = (
        (one.items_per_s, "s") if one.items_per_request is None else (one.items_per_request, "request")
    )
    return name if items is None else f"{name}: +{number(items)} items/{unit}"


def _per_request(arm: ArmGrew) -> bool:
    return any(
        one.items_per_request is not None or one.bytes_per_request is not None for one in arm.growers
    ) or any(one.bytes_per_request is not None for one in arm.types)


def told_and_small(arm: ArmGrew) -> tuple[list[Grower], str]:
    """Return the lines to show, and a sentence on those too small to matter; who.csv has them all."""
    told = [one for one in arm.growers if one.share is None or one.share >= SMALL]
    small = len(arm.growers) - len(told)
    return told, f"{small} more, each less than {SMALL:.1%} of the growth of memory." if small else ""


def _table(told: list[Grower]) -> Table:
    table = new_table("who holds it", "kind", "items", "bytes", "share")
    table.columns[0].overflow = "fold"
    table.columns[1].justify, table.columns[1].max_width = "left", KIND_WIDTH
    for one in told:
        table.add_row(one.name, one.kind, *figures(one))
    return table


def _types(arm: ArmGrew) -> list[list[str]]:
    rows = []
    for one in arm.types:
        size_bytes = one.bytes_per_s if one.bytes_per_request is None else one.bytes_per_request
        interval = (
            f" ({size(one.bytes_per_request_low)} to {size(one.bytes_per_request_high)})"
            if one.bytes_per_request_low is not None and one.bytes_per_request_high is not None
            else ""
        )
        objects = "" if one.objects_per_request is None else number(one.objects_per_request)
        rows.append(
            [short(one.type), objects, size(size_bytes) + interval, f"{one.share:.0%}", one.explained_by]
        )
    return rows
