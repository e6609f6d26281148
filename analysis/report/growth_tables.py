"""Leak suspects and growing types as tables: one clock and one unit for each arm."""

from __future__ import annotations

from typing import Final

from analysis.formatting import HOUR_S, format_bytes, format_interval, number_text
from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import short_type
from analysis.growth.suspect import LeakSuspect, is_one_per_request, short_name
from analysis.growth.trends import TypeGrowth
from analysis.report.tables import Table

SMALL_SHARE: Final = 0.001
"""Share of the growth of memory below which a suspect is not shown, unless it gains about an item per request."""
SHOWN_SUSPECTS: Final = 12
"""Suspects of an arm that are shown; who.csv has all."""


def suspect_tables(growth: tuple[ArmGrowth, ...]) -> tuple[Table, ...]:
    """Return the suspects of each arm; empty where no arm has a census or a suspect."""
    known = any(arm.censuses or arm.suspects for arm in growth)
    return tuple(_suspect_table(arm) for arm in growth) if known else ()


def type_tables(growth: tuple[ArmGrowth, ...]) -> tuple[Table, ...]:
    """Return the types that grow, of each arm with suspects."""
    return tuple(_type_table(arm) for arm in growth if arm.suspects and arm.types)


def _suspect_table(arm: ArmGrowth) -> Table:
    clock = _clock(arm)
    head = ("retained by", "kind", "items", "95%", "bytes", "share", "evidence")
    shown = [one for one in arm.suspects if _is_telling(one)][:SHOWN_SUSPECTS]
    rows = tuple(_suspect(one, clock) for one in shown)
    caption = f"Leak suspects in {arm.arm}" + (f", per {clock}" if rows else "")
    note = " ".join(text for text in (_without_share(arm, shown), _note(arm, len(shown))) if text)
    return Table(caption, head, rows, frozenset(head[2:6]), note)


def _is_telling(one: LeakSuspect) -> bool:
    return one.share is None or one.share >= SMALL_SHARE or is_one_per_request(one.items_per_request)


def _without_share(arm: ArmGrowth, shown: list[LeakSuspect]) -> str:
    """Return why some of the suspects that are shown have no share; empty where all have one."""
    unshared = [one for one in shown if one.share is None]
    sized = [one for one in unshared if one.bytes_per_s is not None or one.bytes_per_request is not None]
    if sized and not arm.rate_known:
        return f"No share: how fast the memory of {arm.arm} grows is not known."
    if sized:
        return f"No share: the memory of {arm.arm} does not grow."
    unknown = "No share: bytes of a count, or of a container that the probe did not measure, are not known."
    return unknown if unshared else ""


def _note(arm: ArmGrowth, shown: int) -> str:
    if not arm.censuses and not arm.suspects:
        return f"No heap census of {arm.arm} was taken under load."
    if not arm.suspects:
        return f"No leak suspects in {arm.arm} in {arm.censuses} heap {'census' if arm.censuses == 1 else 'censuses'}."
    left = len(arm.suspects) - shown
    if not left:
        return ""
    small = f" (< {SMALL_SHARE:.1%} of growth)" if shown < SHOWN_SUSPECTS else ""
    return f"{left} smaller {'suspect' if left == 1 else 'suspects'} not shown{small}; who.csv lists all."


def _suspect(one: LeakSuspect, clock: str) -> tuple[str, ...]:
    low, high = one.items_per_request_low, one.items_per_request_high
    known = clock == "request" and low is not None and high is not None
    items, size_bytes = (
        (one.items_per_request, one.bytes_per_request)
        if clock == "request"
        else (_hourly(one.items_per_s), _hourly(one.bytes_per_s))
    )
    return (
        one.name,
        one.kind,
        "" if items is None else number_text(items),
        f"{number_text(low or 0.0)} to {number_text(high or 0.0)}" if known else "",
        "" if size_bytes is None else format_bytes(size_bytes),
        "" if one.share is None else f"{one.share:.0%}",
        one.why,
    )


def _type_table(arm: ArmGrowth) -> Table:
    clock = _clock(arm)
    head = ("type", "objects", "bytes", "95%", "share", "explained by")
    rows = tuple(_type(one, clock) for one in arm.types)
    return Table(f"Types that grow in {arm.arm}, per {clock}", head, rows, frozenset(head[1:5]))


def _type(one: TypeGrowth, clock: str) -> tuple[str, ...]:
    size_bytes, objects, interval = _hourly(one.bytes_per_s), None, ""
    if clock == "request":
        size_bytes, objects = one.bytes_per_request, one.objects_per_request
        if one.bytes_per_request_low is not None and one.bytes_per_request_high is not None:
            interval = format_interval(one.bytes_per_request_low, one.bytes_per_request_high)
    return (
        short_type(one.type),
        "" if objects is None else number_text(objects),
        "" if size_bytes is None else format_bytes(size_bytes),
        interval,
        f"{one.share:.0%}",
        one.explained_by,
    )


def _clock(arm: ArmGrowth) -> str:
    """Return what the rates of an arm are counted by: requests, or hours where the requests are not known."""
    counted = any(
        one.items_per_request is not None or one.bytes_per_request is not None for one in arm.suspects
    )
    return "request" if counted or any(one.bytes_per_request is not None for one in arm.types) else "hour"


def _hourly(per_s: float | None) -> float | None:
    return None if per_s is None else per_s * HOUR_S


def suspect_text(one: LeakSuspect) -> str:
    """Return the last two names of a suspect's holder, and its rate: ``…state.cache: +1.00 items/request``."""
    name = short_name(one)
    items, unit = (
        (one.items_per_s, "s") if one.items_per_request is None else (one.items_per_request, "request")
    )
    return name if items is None else f"{name}: +{number_text(items)} items/{unit}"
