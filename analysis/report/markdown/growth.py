"""What grew, in Markdown."""

from __future__ import annotations

from analysis.formatting import format_bytes
from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import short_type
from analysis.report.growth_wording import clock_text, figures, number, split_small_suspects
from analysis.report.markdown.table import literal, markdown_table
from analysis.report.terminal.growth import NOTHING


def growth_markdown(growth: tuple[ArmGrowth, ...]) -> list[str]:
    """Return the same as lines of Markdown, with the growing types."""
    seen = [arm for arm in growth if arm.censuses or arm.suspects]
    lines = []
    for arm in seen:
        lines += ["", f"## What grew in {literal(arm.arm)}", ""]
        if not arm.suspects:
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
            told, small = split_small_suspects(arm)
            rows = [[one.name, one.kind, *figures(one, interval=True), one.why] for one in told]
            lines += markdown_table(head, rows)
            lines += ["", small] if small else []
        if arm.suspects and arm.types:
            head = ["type", f"objects {clock_text(arm)}", f"bytes {clock_text(arm)}", "share", "held by"]
            lines += ["", "Types whose bytes grow:", "", *markdown_table(head, _types(arm))]
    return lines


def _types(arm: ArmGrowth) -> list[list[str]]:
    rows = []
    for one in arm.types:
        size_bytes = one.bytes_per_s if one.bytes_per_request is None else one.bytes_per_request
        interval = (
            f" ({format_bytes(one.bytes_per_request_low)} to {format_bytes(one.bytes_per_request_high)})"
            if one.bytes_per_request_low is not None and one.bytes_per_request_high is not None
            else ""
        )
        objects = "" if one.objects_per_request is None else number(one.objects_per_request)
        rows.append(
            [
                short_type(one.type),
                objects,
                format_bytes(size_bytes) + interval,
                f"{one.share:.0%}",
                one.explained_by,
            ]
        )
    return rows
