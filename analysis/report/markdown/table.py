"""A table in Markdown."""

from __future__ import annotations

import re
from typing import Final

MARKUP: Final = re.compile(r"&(?=[#\w])|<(?=[A-Za-z/!?])|[|@\[\]`*\\]|(?<![^\W_])_|_(?![^\W_])|~")
"""What would be markup or a mention; an underscore within a word and a ``<`` before no letter are none."""


def literal(text: str) -> str:
    """Return a text that is read as it is: what a run says of itself is no markup, no mention and no other line."""
    return MARKUP.sub(_escaped, text.replace("\r", " ").replace("\n", " "))


def markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table; its cells are read as they are."""
    return [
        _line(cells)
        for cells in (head, ["---"] * len(head), *([literal(cell) for cell in row] for row in rows))
    ]


def _escaped(mark: re.Match[str]) -> str:
    return f"\\{mark[0]}" if mark[0] in "_~" else f"&#{ord(mark[0])};"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
