"""The table of the allocators: a line for each place of a leak, with the leaky app and its healthy twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.leaks.outcome import Found, Outcome
from tests.leaks.table import WORD, WORDS

HEAD: Final = ("kind", "asked", "kept", "leaky", "healthy", "what grew", "")
FEWEST_CALLED: Final = 6
FEWEST_CLEARED: Final = 5


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Return the table's lines below its head."""
    return [_row(outcome) for outcome in outcomes]


def _row(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.found:
        why = f"skipped: {outcome.skipped}" if outcome.skipped else f"wrong: {outcome.failed}"
        return (outcome.case.name, "", "", "", "", why, "")
    cells = {found.kind: _verdict(found) for found in outcome.found}
    leaky = next((found for found in outcome.found if found.kind == "leaky"), None)
    return (
        outcome.case.name,
        outcome.found[0].asked or "nobody",
        f"{leaky.known:,.0f} B" if leaky else "",
        cells.get("leaky", ""),
        cells["healthy"],
        f"{leaky.what}: {leaky.holder}" if leaky and leaky.what else "",
        "" if leaky is None or leaky.kind_right is None else WORD[leaky.kind_right],
    )


def _verdict(found: Found) -> str:
    text = WORDS[found.verdict]
    if found.rate is None or found.verdict == "inconclusive":
        return text
    if found.verdict == "no_leak":
        return f"{text} < {found.high:,.0f}"
    return f"{text} by {found.signal} {found.rate:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def summary_line(outcomes: Sequence[Outcome]) -> str:
    """Return how many leaky apps were called and passed, and how many healthy ones were cleared and called."""
    counts = {
        (kind, verdict): sum(
            found.kind == kind and found.verdict == verdict for outcome in outcomes for found in outcome.found
        )
        for kind in ("leaky", "healthy")
        for verdict in WORDS
    }
    skipped = sum(bool(outcome.skipped) for outcome in outcomes)
    text = (
        f"leaky: {counts['leaky', 'leak']} called, {counts['leaky', 'no_leak']} passed, "
        f"{counts['leaky', 'inconclusive']} inconclusive; "
        f"healthy: {counts['healthy', 'leak']} called, {counts['healthy', 'no_leak']} cleared, "
        f"{counts['healthy', 'inconclusive']} inconclusive"
    )
    failed = sum(bool(outcome.failed) for outcome in outcomes)
    return text + (f"; {failed} failed" if failed else "") + (f"; {skipped} skipped" if skipped else "") + "."
