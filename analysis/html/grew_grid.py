"""What grew, and who holds it, as a table."""

from __future__ import annotations

from analysis.findings import Findings
from analysis.grew import ArmGrew
from analysis.grew_text import number, told_and_small
from analysis.grower import Grower
from analysis.html.grid import Grid
from analysis.words import size

HOUR_S = 3600
MOST_GROWERS = 12
"""Of one arm; who.csv has all."""


def grew_grid(findings: Findings) -> Grid | None:
    """Return a line for each thing that grew; None where no heap was counted and nothing grew."""
    if not any(one.censuses or one.growers for one in findings.grew):
        return None
    rows = tuple(_row(grower) for one in findings.grew for grower in told_and_small(one)[0][:MOST_GROWERS])
    head = ("arm", "who holds it", "kind", "items", "bytes", "share of growth", "evidence")
    note = " ".join(said for one in findings.grew if (said := _said(one)))
    return Grid("What grew, and who holds it", head, rows, frozenset({3, 4, 5}), note)


def _said(one: ArmGrew) -> str:
    if not one.censuses:
        return f"Of {one.arm} the heap was not counted under load."
    if not one.growers:
        return f"In {one.arm} nothing grew, in {one.censuses} censuses of its heap."
    left = len(one.growers) - min(len(told_and_small(one)[0]), MOST_GROWERS)
    return f"{left} more of {one.arm} {'is' if left == 1 else 'are'} in who.csv." if left > 0 else ""


def _row(one: Grower) -> tuple[str, ...]:
    share = "" if one.share is None else f"{one.share:.0%}"
    return one.arm, one.name, one.kind, _items(one), _bytes(one), share, one.why


def _items(one: Grower) -> str:
    if one.items_per_request is not None:
        return f"{number(one.items_per_request)} per request"
    return "" if one.items_per_s is None else f"{number(one.items_per_s * HOUR_S)} per hour"


def _bytes(one: Grower) -> str:
    if one.bytes_per_request is not None:
        return f"{size(one.bytes_per_request)} per request"
    return "" if one.bytes_per_s is None else f"{size(one.bytes_per_s * HOUR_S)} per hour"
