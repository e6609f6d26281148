"""What grew, in Markdown."""

from __future__ import annotations

from analysis.formatting import size
from analysis.growth.arm import ArmGrew
from analysis.growth.classify import short
from analysis.report.growth_wording import clock_text, figures, number, told_and_small
from analysis.report.markdown.table import literal, markdown_table
from analysis.report.terminal.growth import NOTHING


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
