"""What grew, in words and figures as people read them."""

from __future__ import annotations

from typing import Final

from analysis.formatting import format_bytes
from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import short_type
from analysis.growth.suspect import LeakSuspect

SMALL: Final = 0.001
"""Of the growth of memory: what is less gets no line of its own."""


def clock_text(arm: ArmGrowth) -> str:
    """Return what the rates of an arm are counted by: requests, or seconds where the requests are not known."""
    return "per request" if _per_request(arm) else "per second"


def figures(one: LeakSuspect, *, interval: bool = False) -> tuple[str, str, str]:
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
        "" if size_bytes is None else format_bytes(size_bytes),
        "" if one.share is None else f"{one.share:.0%}",
    )


def number(items: float) -> str:
    """Return a number of items in three digits: ``1.00``, ``0.0123``, ``1,240``."""
    if abs(items) >= 100:
        return f"{items:,.0f}"
    digits = 2 if abs(items) >= 0.995 else 3
    return f"{items:.{digits}f}" if abs(items) >= 0.0995 else f"{items:.2g}"


def suspect_text(one: LeakSuspect) -> str:
    """Return a line's holder, the last two names of its path, and its rate: ``…state.cache: +1.00 items/request``."""
    path = one.holder.rpartition(" ")[2]
    name = one.holder or short_type(one.type) or one.kind
    if path.count(".") > 1 or path != one.holder:
        name = "…" + ".".join(path.split(".")[-2:])
    items, unit = (
        (one.items_per_s, "s") if one.items_per_request is None else (one.items_per_request, "request")
    )
    return name if items is None else f"{name}: +{number(items)} items/{unit}"


def _per_request(arm: ArmGrowth) -> bool:
    return any(
        one.items_per_request is not None or one.bytes_per_request is not None for one in arm.suspects
    ) or any(one.bytes_per_request is not None for one in arm.types)


def split_small_suspects(arm: ArmGrowth) -> tuple[list[LeakSuspect], str]:
    """Return the lines to show, and a sentence on those too small to matter; who.csv has them all."""
    told = [one for one in arm.suspects if one.share is None or one.share >= SMALL]
    small = len(arm.suspects) - len(told)
    return told, f"{small} more, each less than {SMALL:.1%} of the growth of memory." if small else ""
