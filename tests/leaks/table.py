"""The cases' table, for the terminal and for a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from tests.leaks.outcome import Found, Outcome

HEAD: Final = (
    "case",
    "class",
    "release",
    "verdict",
    "by",
    "B/request",
    "in use",
    "known RSS",
    "",
    "what grew",
    "",
    "line named",
    "",
    "native line named",
    "",
)
NUMBERS: Final = ("B/request", "in use", "known RSS")
WRAPPED: Final = ("", "what grew", "line named", "native line named", "leaky", "healthy")
WORD: Final = {True: "right", False: "wrong"}
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
        *("" if rate is None else f"{rate:,.1f}" for rate in (found.rate, found.whole, found.known)),
        WORD[found.right],
        *_grew(found),
        *_lines(found),
    )


def _grew(found: Found) -> tuple[str, str]:
    if not found.what:
        return "nothing", "" if found.kind_right is None else WORD[found.kind_right]
    told = [right for right in (found.kind_right, found.holder_right) if right is not None]
    return f"{found.what}: {found.holder}", WORD[all(told)] if told else ""


def _lines(found: Found) -> tuple[str, str, str, str]:
    sites = found.sites
    if found.kind != "leaky":
        count = "" if sites.count is None else f"{sites.count} sites"
        return count, "" if sites.count is None else WORD[not sites.count], "", ""
    words = ("" if right is None else WORD[right] for right in (sites.line_right, sites.native_right))
    line, native = words
    return sites.line or "none", line, sites.native_line or "none", native


def console_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table for a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=name not in WRAPPED)
    for row in rows:
        table.add_row(*row)
    return table


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], outcomes: Sequence[Outcome]) -> str:
    """Return a table as Markdown, with the sentence of each wrong verdict below it."""
    cells = [head, ("---",) * len(head), *rows]
    text = "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"
    for outcome in outcomes:
        for found in outcome.found:
            if not found.right:
                text += f"\n- {outcome.case.name}, {found.kind}: {found.sentence}"
    return text + "\n"
