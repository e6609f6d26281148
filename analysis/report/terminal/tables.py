"""Tables, the outcome at the end and plain lines, for a terminal."""

from __future__ import annotations

import re
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

PATH_PARTS: Final = re.compile(r"\s*[.\[(]?[^\s.\[(]*")
"""The parts of a path of references, each with what stands before it: ``shop``, ``.state``, ``[0]``, `` of``."""


def terminal_table(table: Table, widths: dict[str, int] | None = None, path: str = "") -> RichTable:
    """Return a table to print, without its caption and note; ``widths`` bounds columns by their heads.

    The column ``path`` has dotted paths: it gets what the others leave, and its cells are broken before dots.
    """
    gap = 2 if len(table.head) < WIDE else 1
    left = TERMINAL_WIDTH - gap * (len(table.head) - 1)
    for place, name in enumerate(table.head):
        longest = max(len(cells[place]) for cells in (table.head, *table.rows))
        left -= 0 if name == path else min(longest, (widths or {}).get(name, longest))
    shown = RichTable(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    for name in table.head:
        shown.add_column(
            name,
            justify="right" if name in table.numeric else "left",
            overflow="fold",
            max_width=(widths or {}).get(name),
        )
    for row in table.rows:
        cells = zip(table.head, row, strict=True)
        shown.add_row(*(Text(broken_path(cell, left) if name == path else cell) for name, cell in cells))
    return shown


def broken_path(text: str, width: int) -> str:
    """Return a path in lines of at most ``width`` where it has dots or brackets to break before, or spaces."""
    lines = [""]
    for part in filter(None, PATH_PARTS.findall(text)):
        if lines[-1] and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part if lines[-1] else part.lstrip()
    return "\n".join(line.rstrip() for line in lines)


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
