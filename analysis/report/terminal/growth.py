"""What grew, for a terminal."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.growth.arm import ArmGrowth
from analysis.growth.suspect import LeakSuspect
from analysis.report.growth_wording import clock_text, figures, split_small_suspects
from analysis.report.terminal.tables import new_table

NOTHING: Final = "nothing"
KIND_WIDTH: Final = 23
"""Columns for a kind, so that a path has the room."""


def growth_parts(growth: tuple[ArmGrowth, ...]) -> list[RenderableType]:
    """Return the part of the report; nothing at all where nothing is known of any arm."""
    seen = [arm for arm in growth if arm.censuses or arm.suspects]
    if not seen:
        return []
    parts: list[RenderableType] = [Text("\nWhat grew under load, and who holds it")]
    for arm in seen:
        if not arm.suspects:
            parts.append(Text(f"{arm.arm}: {NOTHING}."))
            continue
        told, small = split_small_suspects(arm)
        parts += [Text(f"{arm.arm}, {clock_text(arm)}:"), _table(told)]
        parts += [Text(small)] if small else []
    return parts


def _table(told: list[LeakSuspect]) -> Table:
    table = new_table("who holds it", "kind", "items", "bytes", "share")
    table.columns[0].overflow = "fold"
    table.columns[1].justify, table.columns[1].max_width = "left", KIND_WIDTH
    for one in told:
        table.add_row(one.name, one.kind, *figures(one))
    return table
