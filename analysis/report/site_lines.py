"""A site as it is read: in one line, and the cells of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from analysis.formatting import format_bytes, format_interval, number_text
from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import PAST_PYTHON
from analysis.recording.replay import Site
from analysis.sites.found import ArmSites, of_lines
from soak.contract import BY_MEMRAY, BY_TRACEMALLOC

MORE: Final = 1.2
"""Times that the native pass explains more than the Python pass, from which on its sites are the first."""
UNFOUND: Final = "past Python's allocators, or by lines not told apart from noise"
"""Where memory is allocated that no line of the Python pass explains."""
FIRST_SITES: Final = 3
"""Sites of an arm that a line each is given, where there is room for no more."""


def site_text(site: Site) -> str:
    """Return a site as one line without its source: ``app.py:12, by f (ujson): 71 B/request, 2.00 blocks, 87%``."""
    where = place_text(site)
    by = f", by {site.function}" if site.function else ""
    below = f" in {site.in_line}" if site.in_line and site.in_line != where else ""
    interval = f" ({interval_text(site)}, 95%)" if site.low is not None else ""
    share = "" if site.share is None else f", {site.share:.0%} of the leak"
    of = f", by {site.endpoint}" if site.endpoint else ""
    rate = f"{format_bytes(site.bytes_per_request)}/request{interval}, {blocks_text(site)}"
    return f"{where}{below}{by}: {rate}{share}{of}"


def why_no_lines(found: ArmSites) -> str:
    """Return why no line of an arm is known, a clause; empty where one is."""
    if found.sites:
        return ""
    if found.status != "done":
        return found.reason or f"the replay was {found.status}"
    none = "no line was found that retains 2% of the leak"
    if BY_MEMRAY not in found.passes:
        none = f"{none}: it is allocated {UNFOUND}"
    return found.no_leak or found.reason or none


def first_sites(found: ArmSites) -> list[Site]:
    """Return the first lines of the pass that explains most, with the native functions that another pass found.

    The Python pass is taken unless the native one explains MORE times as much: what a free list hands out again is
    of the line that takes it there, and of the line that had it first here.
    """
    python, native = (found.total(one) for one in (BY_TRACEMALLOC, BY_MEMRAY))
    most = BY_MEMRAY if native > MORE * python else BY_TRACEMALLOC
    functions = {
        (site.your_line, site.in_line): site.function for site in reversed(found.sites) if site.function
    }
    return list(
        of_lines(
            replace(site, function=site.function or functions.get((site.your_line, site.in_line), ""))
            for site in found.sites
            if site.of_pass == most
        )
    )[:FIRST_SITES]


def with_places(growth: Iterable[ArmGrowth], sites: Iterable[ArmSites]) -> tuple[ArmGrowth, ...]:
    """Return the growth in which the largest suspect of native code that no object holds names where it is allocated.

    That is the line that retains most; which line other suspects are of is not known.
    """
    places = {one.arm: allocated_text(first) for one in sites for first in first_sites(one)[:1]}
    return tuple(_with_place(arm, places.get(arm.arm, "")) for arm in growth)


def _with_place(arm: ArmGrowth, place: str) -> ArmGrowth:
    largest = next((one for one in arm.suspects if one.kind in PAST_PYTHON and not one.holder), None)
    if not place or largest is None:
        return arm
    named = replace(largest, name=f"{largest.name}, {place}")
    return replace(arm, suspects=tuple(named if one is largest else one for one in arm.suspects))


def allocated_text(site: Site) -> str:
    """Return where a site allocates, as ``allocated at app.py:12, by JSON_DecodeObject (ujson)``."""
    place = place_text(site)
    at = f"allocated at {place}" if place else "allocated"
    return f"{at}, by {site.function}" if site.function else at


def place_text(site: Site) -> str:
    """Return your line; where none of yours is known, that of the package or of what allocates."""
    return site.your_line or site.in_line or site.allocated_line


def interval_text(site: Site) -> str:
    """Return the interval of its bytes per request; empty of a few large blocks."""
    if site.low is None or site.high is None:
        return ""
    return format_interval(site.low, site.high)


def blocks_text(site: Site, *, cell: bool = False) -> str:
    """Return its blocks per request, in a ``cell`` as a number alone; of a few large blocks how many there are."""
    if site.low is None:
        count = site.blocks_per_request
        return f"in {count:.0f} large block{'' if count == 1 else 's'}"
    number = number_text(site.blocks_per_request)
    return number if cell else f"{number} blocks"
