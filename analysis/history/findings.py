"""What changed over the runs: the changes of each figure, and what is written about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.formatting import format_bytes, short_build
from analysis.history.changes import FALSE_ALARM, LEAST_EACH, LEAST_RUNS, Change, change_points
from analysis.history.runs import HistoryRun, Runs
from analysis.judge.types import LEAK, NO_LEAK
from analysis.report.tables import NO_NUMBER, Table
from analysis.verdict.wording import SMALLEST_BOUND, interval_text, rate_text
from soak.contract import verdict_name

SIDES_95: Final = (1.96, 1.645)
"""Standard errors between a rate and its lower end, and its upper end: the chances there are 2.5% and 5%."""
LEAST_CHANGE: Final = 0.05
"""Share by which a figure must change to be named: of the margin for the leak rate, of their median for RSS and p99.
Less decides no release."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure of each run that may change."""

    name: str
    value: Callable[[HistoryRun], float | None]
    error: Callable[[HistoryRun], float]
    """Its standard error; 0 where none is known."""
    full: Callable[[HistoryRun], float | None]
    """What LEAST_CHANGE is a share of; its median over the runs counts."""
    text: Callable[[HistoryRun, float], str]


@dataclass(frozen=True, slots=True)
class Found:
    """The changes of one quantity."""

    quantity: Quantity
    searched: tuple[HistoryRun, ...]
    """The runs that were searched: conclusive, with the settings of the newest, and with this figure."""
    changes: tuple[Change, ...]

    @property
    def lines(self) -> list[str]:
        """A sentence for each change, or on why none was searched for."""
        if len(self.searched) < LEAST_RUNS:
            least = f"{LEAST_RUNS} comparable runs are needed"
            return [f"{self.quantity.name}: {len(self.searched)} with this figure; {least}."]
        return [self._line(change) for change in self.changes] or [f"{self.quantity.name}: no change."]

    def _line(self, change: Change) -> str:
        first = self.searched[change.at]
        before, after = (self.quantity.text(first, level) for level in (change.before, change.after))
        build = f" (build {short_build(first.build)})" if first.build else ""
        return f"{self.quantity.name}: changed with {first.run}{build} from {before} to {after}, p = {change.p:.2g}."


@dataclass(frozen=True, slots=True)
class History:
    """A history, ready to be written."""

    profile: str
    runs: tuple[HistoryRun, ...]
    left_out: tuple[str, ...]
    found: tuple[Found, ...]

    @property
    def headline(self) -> str:
        """The newest run and the last change, without a full stop."""
        newest = self.runs[-1]
        searched = max(len(found.searched) for found in self.found)
        too_few = [found.quantity.name for found in self.found if len(found.searched) < LEAST_RUNS]
        last = next((run for run in reversed(self.runs) if run.changed), None)
        if last is not None:
            changed = f"{' and '.join(last.changed.split('; '))} changed with {last.run}"
        elif searched < LEAST_RUNS:
            changed = f"too few runs to search for changes ({searched} of {LEAST_RUNS})"
        else:
            changed = "no change found"
            changed += f"; too few runs to search for one in {' and '.join(too_few)}" if too_few else ""
        return f"{newest.arm}: {verdict_name(newest.verdict)} in the newest of {_count(self.runs)}; {changed}"


def _rate_error(run: HistoryRun) -> float:
    if (rate := run.interval) is None:
        return 0.0
    return max(0.0, (rate.value - rate.low) / SIDES_95[0], (rate.high - rate.value) / SIDES_95[1])


RATE: Final = Quantity(
    "leak rate",
    lambda run: None if run.interval is None else run.rate,
    _rate_error,
    lambda run: run.margin,
    lambda run, level: rate_text(level, run.signal or "", run.clock),
)
RSS_END: Final = Quantity(
    "RSS at end",
    lambda run: run.rss_end_bytes,
    lambda _: 0.0,
    lambda run: run.rss_end_bytes,
    lambda _, level: format_bytes(level),
)
P99: Final = Quantity(
    "p99", lambda run: run.p99_ms, lambda _: 0.0, lambda run: run.p99_ms, lambda _, level: f"{level:,.3g} ms"
)
QUANTITIES: Final = (RATE, RSS_END, P99)

METHOD: Final = (
    "Changes are searched for in each figure by circular binary segmentation with a permutation test: the runs are put "
    "into random order many times, and a part of them, at an end or between, is at another level where at most "
    f"{FALSE_ALARM:.0%} of the orders have one that differs as much. A figure that never changed is given one with at "
    f"most that chance. Runs count by the width of their interval. A change by less than {LEAST_CHANGE:.0%}, for the "
    f"leak rate of the margin, is not named. {LEAST_RUNS} runs are needed, at least {LEAST_EACH} at each level; only "
    "complete, conclusive runs with the arm, load and limit of the newest one are searched."
)


def history_of(runs: Runs) -> History:
    """Search the runs for changes, and name in each run what changed with it."""
    found = tuple(_search(quantity, runs.runs) for quantity in QUANTITIES)
    changed: dict[str, list[str]] = {}
    for one in found:
        for change in one.changes:
            changed.setdefault(one.searched[change.at].run, []).append(one.quantity.name)
    marked = tuple(replace(run, changed="; ".join(changed.get(run.run, []))) for run in runs.runs)
    return History(runs.profile, marked, runs.left_out, found)


def _search(quantity: Quantity, runs: tuple[HistoryRun, ...]) -> Found:
    searched = tuple(run for run in runs if not run.differs and quantity.value(run) is not None)
    fulls = [abs(full) for run in searched if (full := quantity.full(run)) is not None]
    values = np.array([quantity.value(run) for run in searched], float)
    errors = np.array([quantity.error(run) for run in searched], float)
    least = LEAST_CHANGE * float(np.median(fulls)) if fulls else 0.0
    return Found(quantity, searched, change_points(values, errors, least=least))


def history_table(history: History) -> Table:
    """Return the runs, newest first."""
    head = ("run", "build", "verdict", "leak", "RSS at end", "p99", "note")
    rows = tuple(
        (
            run.run,
            short_build(run.build) or NO_NUMBER,
            verdict_name(run.verdict),
            leak_text(run),
            NO_NUMBER if run.rss_end_bytes is None else format_bytes(run.rss_end_bytes),
            NO_NUMBER if run.p99_ms is None else f"{run.p99_ms:,.3g} ms",
            ". ".join(filter(None, (f"changed: {run.changed}" if run.changed else "", run.differs))),
        )
        for run in reversed(history.runs)
    )
    return Table(_count(history.runs), head, rows, frozenset({"RSS at end", "p99"}))


def leak_text(run: HistoryRun) -> str:
    """Return the upper bound of a run without a leak, else the rate with its interval: ``< 4.5 B/request``."""
    if (rate := run.interval) is None or run.signal is None:
        return NO_NUMBER
    if run.verdict == NO_LEAK:
        smallest = SMALLEST_BOUND / (1 if run.clock.per_s is None else 3600)
        return f"< {rate_text(max(rate.high, smallest), run.signal, run.clock)}"
    return f"{rate_text(rate.value, run.signal, run.clock)} ({interval_text(rate, run.signal, run.clock)})"


def _count(runs: tuple[HistoryRun, ...]) -> str:
    leaks = sum(run.verdict == LEAK for run in runs)
    with_leak = f", {leaks} with a leak" if leaks else ""
    return f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}{with_leak}"
