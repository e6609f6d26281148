"""What the texts for the terminal share: tables, the outcome at the end, plain lines."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 100


def new_table(*names: str) -> Table:
    """Return an empty table: names on the left, figures on the right."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for position, name in enumerate(names):
        table.add_column(name, justify="right" if position else "left")
    return table


def outcome(reasons: tuple[str, ...], *, attached: bool = False) -> list[Text]:
    """Return whether the recording is conclusive, else why not; the load of an ``attached`` one is not known."""
    if reasons:
        return [Text("\nINCONCLUSIVE:"), *(Text(f"- {reason}") for reason in reasons)]
    return [Text(f"\nThe recording is complete{'' if attached else ' and the load arrived'}.")]


def render(parts: list[RenderableType]) -> str:
    """Return the parts as plain text, at most WIDTH columns wide."""
    out = StringIO()
    console = Console(
        file=out, width=WIDTH, color_system=None, legacy_windows=False, markup=False, emoji=False
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
