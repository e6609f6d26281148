"""A table in Markdown."""

from __future__ import annotations

import re
from typing import Final

from analysis.report.tables import Table

MARKUP: Final = re.compile(r"&(?=[#\w])|<(?=[A-Za-z/!?])|[|\[\]`*\\$]|[@#](?=\w)|(?<![^\W_])_|_(?![^\W_])|~")
"""What would be markup, a mention or an issue; an underscore within a word and a ``<`` before no letter are none."""
NO_WIDTH: Final = "&#8203;"
"""A space without width: pages look for mentions and issues after they have decoded entities, so that ``&#64;`` is no
help against them."""

LEADING: Final = re.compile(r"^[#>+=-]")
"""What begins a heading, a quotation or a list at the start of a line."""


def literal(text: str) -> str:
    """Return a text that is read as it is: no markup, mention, issue by ``#`` or line break, whatever wrote it.

    A page may still make links of bare addresses and commits.
    """
    return MARKUP.sub(_escaped, text.replace("\r", " ").replace("\n", " "))


def markdown_table(table: Table) -> list[str]:
    """Return the lines of a table, without its caption, and of its note; all is read as it is."""
    rules = ["---:" if name in table.numeric else "---" for name in table.head]
    rows = [[literal(cell) for cell in row] for row in table.rows]
    lines = [_line(cells) for cells in (list(table.head), rules, *rows)] if rows else []
    note = [LEADING.sub(r"\\\g<0>", literal(table.note))] if table.note else []
    return [*lines, *([""] if lines and note else []), *note]


def section(table: Table) -> list[str]:
    """Return a table below its caption as a heading."""
    return ["", f"## {literal(table.caption)}", "", *markdown_table(table)]


def _escaped(mark: re.Match[str]) -> str:
    if mark[0] in "@#":
        return mark[0] + NO_WIDTH
    return f"\\{mark[0]}" if mark[0] in "_~" else f"&#{ord(mark[0])};"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
