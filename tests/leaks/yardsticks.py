"""What can be run: leaks of releases, or leaks in allocators; each has its cases, its table and its summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from soak.errors import UsageError
from tests.leaks import allocators_table, table
from tests.leaks.case import Case, allocator_cases, release_cases
from tests.leaks.outcome import Outcome, summary_line

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Cases that are run and shown together."""

    cases: Callable[[], list[Case]]
    load_s: int
    """Seconds of load for each case."""
    report: str
    head: tuple[str, ...]
    rows: Callable[[Sequence[Outcome]], Rows]
    summary: Callable[[Sequence[Outcome]], str]
    decides_too_little: Callable[[Sequence[Outcome]], bool]
    """Whether too few verdicts are decided, of all cases."""

    def chosen(self, names: Sequence[str]) -> list[Case]:
        """Return the cases of these names, or all; raises UsageError where there is none of a name."""
        known = {case.name: case for case in self.cases()}
        for name in names:
            if name not in known:
                raise UsageError(f"No case '{name}': give some of {', '.join(known)}.")
        return [known[name] for name in names or known]


RELEASES: Final = Yardstick(
    release_cases, 180, "report.md", table.HEAD, table.rows, summary_line, lambda _outcomes: False
)
ALLOCATORS: Final = Yardstick(
    allocator_cases,
    68,
    "allocators.md",
    allocators_table.HEAD,
    allocators_table.rows,
    allocators_table.summary_line,
    allocators_table.decides_too_little,
)
