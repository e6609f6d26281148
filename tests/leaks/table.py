"""The cases' table, for the terminal and for a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from tests.leaks.outcome import Found, Outcome

HEAD: Final = ("case", "class", "release", "verdict", "by", "B/request", "RSS", "known RSS", "")
NUMBERS: Final = ("B/request", "RSS", "known RSS")
WORDS: Final = {"leak": "LEAK", "no_leak": "NO LEAK", "inconclusive": "INCONCLUSIVE"}


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Return the table's lines below its head: one for each release, one for a case that has none."""
    lines: list[tuple[str, ...]] = []
    for outcome in outcomes:
        case = outcome.case
        first = (case.name, case.leak_class or "healthy")
        if not outcome.found:
            why = f"skipped: {outcome.skipped}" if outcome.skipped else f"wrong: {outcome.failed}"
            lines.append((*first, *("",) * (len(HEAD) - 3), why))
        for found in outcome.found:
            lines.append((*first, *_cells(found)))
            first = ("", "")
    return lines


def _cells(found: Found) -> tuple[str, ...]:
    return (
        found.kind,
        WORDS[found.verdict],
        found.signal,
        *("" if rate is None else f"{rate:,.1f}" for rate in (found.rate, found.rss, found.known)),
        "right" if found.right else "wrong",
    )


def console_table(outcomes: Sequence[Outcome]) -> Table:
    """Return the table for a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in HEAD:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=name != "")
    for row in rows(outcomes):
        table.add_row(*row)
    return table


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the table as Markdown, with the sentence of each wrong verdict below it."""
    cells = [HEAD, ("---",) * len(HEAD), *rows(outcomes)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"
    for outcome in outcomes:
        for found in outcome.found:
            if not found.right:
                text += f"\n- {outcome.case.name}, {found.kind}: {found.sentence}"
    return text + "\n"
