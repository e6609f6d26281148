"""The table of the allocators: a line for each place of a leak, with the leaky app and its healthy twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.leaks.case import Kind
from tests.leaks.outcome import Found, Outcome
from tests.leaks.table import WORD, WORDS

HEAD: Final = ("kind", "asked", "kept", "leaky", "healthy", "what grew", "")
FEWEST_CALLED: Final = 6
FEWEST_CLEARED: Final = 5
"""Of all the cases: each may be undecided, but not most of them."""


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
        _grew(leaky) if leaky else "",
        WORD[bool(leaky.kind_right)] if leaky and leaky.verdict == "leak" else "",
    )


def _grew(found: Found) -> str:
    return found.what if found.holder in ("", found.what) else f"{found.what}: {found.holder}"


def _verdict(found: Found) -> str:
    text = WORDS[found.verdict]
    if found.verdict == "inconclusive":
        return f"{text} ({found.undecided.replace('_', ' ')})"
    if found.rate is None:
        return text
    if found.verdict == "no_leak":
        reserve = f", {found.reserve:,.0f} of it reserve" if found.reserve is not None else ""
        return f"{text} < {found.high:,.0f}{reserve}"
    signal = found.signal.removesuffix("_bytes")
    digits = 0 if signal != found.signal else 3
    rate, low, high = (f"{end or 0.0:,.{digits}f}" for end in (found.rate, found.low, found.high))
    return f"{text} by {signal} {rate} ({low} to {high})"


def summary_line(outcomes: Sequence[Outcome]) -> str:
    """Return how many leaky apps were called and passed, and how many healthy ones were cleared and called."""
    skipped, failed = (
        sum(bool(getattr(outcome, name)) for outcome in outcomes) for name in ("skipped", "failed")
    )
    text = (
        f"leaky: {_count(outcomes, 'leaky', 'leak')} called, {_count(outcomes, 'leaky', 'no_leak')} passed, "
        f"{_count(outcomes, 'leaky', 'inconclusive')} inconclusive; "
        f"healthy: {_count(outcomes, 'healthy', 'leak')} called, {_count(outcomes, 'healthy', 'no_leak')} cleared, "
        f"{_count(outcomes, 'healthy', 'inconclusive')} inconclusive"
    )
    return text + (f"; {failed} failed" if failed else "") + (f"; {skipped} skipped" if skipped else "") + "."


def decides_too_little(outcomes: Sequence[Outcome]) -> bool:
    """Return whether fewer leaky apps were called, or healthy ones cleared, than of all the cases must be."""
    called, cleared = _count(outcomes, "leaky", "leak"), _count(outcomes, "healthy", "no_leak")
    return called < FEWEST_CALLED or cleared < FEWEST_CLEARED


def _count(outcomes: Sequence[Outcome], kind: Kind, verdict: str) -> int:
    return sum(
        found.kind == kind and found.verdict == verdict for outcome in outcomes for found in outcome.found
    )
