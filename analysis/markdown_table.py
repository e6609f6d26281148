"""A table in Markdown."""

from __future__ import annotations


def markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table; a bar in a cell is escaped."""
    return [_line(cells) for cells in (head, ["---"] * len(head), *rows)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
