"""The table of verdicts, and whether it is as planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.prometheus.plan import healthy, leaks
from tests.prometheus.simulator import Kind

LEAK, NO_LEAK, OPEN = 3, 0, 4
DECIDES: Final = ("would decide", "name the metric", "scrape each process")
"""Words of which a verdict that is open has one: it states what would decide."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one service."""

    kind: Kind
    code: int
    """The exit code."""
    text: str
    took_s: float

    @property
    def open_lines(self) -> list[str]:
        """The verdicts that are open, each as one line."""
        verdicts = " ".join(self.text.split("\n\n")[0].split("\n"))
        return verdicts.split(": INCONCLUSIVE: ")[1:]

    @property
    def states_what_decides(self) -> bool:
        """Whether every verdict that is open does."""
        return all(any(words in line for words in DECIDES) for line in self.open_lines)


def group(kind: Kind) -> str:
    """Return the row of a service: its kind without the way it lives."""
    return kind.name.rpartition(", ")[0]


def table(outcomes: Sequence[Outcome], seed: int, made_s: float) -> str:
    """Return the table as Markdown, and lines below it."""
    rows = [
        "| service | number | LEAK | NO LEAK | INCONCLUSIVE | each states what decides |",
        "| --- |" + " ---: |" * 5,
    ]
    for name in dict.fromkeys(group(one.kind) for one in outcomes):
        those = [one for one in outcomes if group(one.kind) == name]
        counts = (sum(one.code == code for one in those) for code in (LEAK, NO_LEAK, OPEN))
        states = sum(one.code == OPEN and one.states_what_decides for one in those)
        cells = (str(len(those)), *map(str, counts), str(states))
        rows.append(f"| {name} | {' | '.join(cells)} |")
    called, false = _counts(outcomes)
    took_s = np.array([one.took_s for one in outcomes])
    return "\n".join(
        [
            *rows,
            "",
            f"{called} of {len(leaks())} leaks called; {false} of {len(healthy())} healthy services called a leak.",
            f"Seed {seed}; data made in {made_s:.1f} s; a judgement took {np.median(took_s):.1f} s (median) "
            f"and {took_s.max():.1f} s at most, fetching and start of Python included.",
        ]
    )


def is_as_planted(outcomes: Sequence[Outcome]) -> bool:
    """Return whether all fifteen leaks were called, nothing healthy was, and what is open states what decides."""
    called, false = _counts(outcomes)
    known = all(one.code in {LEAK, NO_LEAK, OPEN} and one.states_what_decides for one in outcomes)
    return called == len(leaks()) and not false and known


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    names = {kind.name for kind in leaks()}, {kind.name for kind in healthy()}
    called, false = (sum(one.code == LEAK for one in outcomes if one.kind.name in those) for those in names)
    return called, false
