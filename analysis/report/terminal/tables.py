"""Tables, the outcome at the end and plain lines, for a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from analysis.report.tables import Table

TERMINAL_WIDTH: Final = 100
"""Columns of a line, at most."""

WIDE: Final = 7
"""A table of so many columns has less room between them."""


def terminal_table(table: Table, widths: dict[str, int] | None = None) -> RichTable:
    """Return a table to print, without its caption and note; ``widths`` bounds columns by their heads."""
    gap = 2 if len(table.head) < WIDE else 1
    shown = RichTable(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    for name in table.head:
        shown.add_column(
            name,
            justify="right" if name in table.numeric else "left",
            overflow="fold",
            max_width=(widths or {}).get(name),
        )
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def captioned(table: Table, widths: dict[str, int] | None = None) -> list[RenderableType]:
    """Return a table below its caption, and its note below it."""
    parts: list[RenderableType] = [Text(f"\n{table.caption}"), terminal_table(table, widths)]
    return [*parts, Text(f"\n{table.note}")] if table.note else parts


def outcome(reasons: tuple[str, ...], *, attached: bool = False) -> list[Text]:
    """Return whether the recording is conclusive, else why not; the load of an ``attached`` one is not known."""
    if reasons:
        return [Text("\nINCONCLUSIVE:"), *(Text(f"- {reason}") for reason in reasons)]
    return [Text(f"\nThe recording is complete{'' if attached else ' and the load arrived'}.")]


def render(parts: list[RenderableType]) -> str:
    """Return the parts as plain text, at most TERMINAL_WIDTH columns wide."""
    out = StringIO()
    console = Console(
        file=out, width=TERMINAL_WIDTH, color_system=None, legacy_windows=False, markup=False, emoji=False
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
