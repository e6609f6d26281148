"""From outcomes to the figures that have goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import LEAK, NO_LEAK
from tests.calibration.plan import (
    ALONE,
    AT_MARGIN,
    DAYS,
    HEALTHY,
    LEAKY,
    PARTS,
    SHORT,
    SPLIT_LEAK,
    TIMED,
    TINY,
)
from tests.calibration.score import CRASHED, METHOD_PREFIX
from tests.calibration.simulator.kinds import FILLING, HEAVY_TAIL

Z95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """How often something happened."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """Hits of all; NaN of none."""
        return self.hits / self.of if self.of else np.nan

    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95% interval (1927), which holds for rates near 0 and 1 too; NaN of none."""
        if not self.of:
            return np.nan, np.nan
        rate, spread = self.value, Z95**2 / self.of
        middle = (rate + spread / 2) / (1 + spread)
        half = Z95 * np.sqrt(rate * (1 - rate) / self.of + spread / (4 * self.of)) / (1 + spread)
        return float(max(0.0, middle - half)), float(min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside its goal; ``low`` and ``high`` bound what meets it."""

    name: str
    measured: Share | float
    low: float = -np.inf
    high: float = np.inf
    note: str = ""
    naive: dict[str, float] = field(default_factory=dict)
    """The same by each naive method, where it has a meaning for them."""

    @property
    def value(self) -> float:
        """The share or the number."""
        return self.measured.value if isinstance(self.measured, Share) else self.measured

    @property
    def met(self) -> bool:
        """Whether the value, not only its interval, is within the goal."""
        return self.low <= self.value <= self.high


def share(flags: pd.Series[bool]) -> Share:
    """Return the share of true ones."""
    return Share(int(flags.sum()), len(flags))


def figures(outcomes: pd.DataFrame) -> list[Figure]:
    """Return every figure, in the order of the report: of memory alone, then by parts."""
    return [
        *_alone(outcomes[outcomes["by"] == ALONE]),
        *_by_parts(outcomes[outcomes["by"] == PARTS]),
        Figure("slowest 8 h at 1 s ticks, seconds", _slowest(outcomes), high=1.0),
        Figure("crashes", share(outcomes["verdict"] == CRASHED), high=0.0),
    ]


def _alone(outcomes: pd.DataFrame) -> list[Figure]:
    """Return the figures of memory alone; what can be decided by it is as found, what is decided must be right."""
    at_4h = outcomes[outcomes["hours"] == 4]
    healthy, leaky = settled(at_4h, HEALTHY), settled(at_4h, LEAKY)
    filling = at_4h[at_4h["kind"] == FILLING]
    replayed, longer = at_4h["found_again"].dropna(), at_4h["decided"].dropna()
    oom = _with_window(leaky)
    return [
        *_wrong(at_4h, high=0.002),
        _worst("false alarms, worst kind", healthy, called, max, high=0.02),
        Figure("NO LEAK of a leak of exactly δ", share(passed(_all(at_4h, AT_MARGIN))), high=0.05),
        _recall(outcomes, 4),
        _worst("recall, worst kind", leaky, called, min),
        _recall(outcomes, 8),
        *(_passes(outcomes, hours) for hours in (4, 8, 24)),
        Figure("interval coverage", share(covered(_intervals(at_4h))), low=0.93),
        _worst("coverage, worst kind", _intervals(at_4h), covered, min, low=0.90),
        Figure("detectable leak, found again", share(replayed == 1), low=0.80),
        Figure("decided after the stated time", share(longer == 1), low=0.50),
        Figure("OOM window covers", share(in_window(oom, "oom_s")), low=0.93),
        Figure("filling cache called a leak", share(called(filling)), high=0.25, naive=_naive(filling)),
        Figure("the same with its gauge", share(filling["with_gauge"] == LEAK), high=0.03),
        _called_kind(at_4h, HEAVY_TAIL, "heavy-tailed fill called a leak", high=0.15),
        *_of_hours(outcomes, SHORT, "30 min"),
        *_of_hours(outcomes, DAYS, "4 days of deploys"),
    ]


def _by_parts(outcomes: pd.DataFrame) -> list[Figure]:
    """Return the figures of memory by its parts."""
    at_4h = outcomes[outcomes["hours"] == 4]
    healthy, leaky = settled(at_4h, HEALTHY), settled(at_4h, LEAKY)
    split = settled(at_4h, SPLIT_LEAK)
    made = [
        *_wrong(at_4h, high=0.002),
        _worst("false alarms, worst kind", healthy, called, max, high=0.02),
        Figure("NO LEAK of a leak of exactly δ", share(passed(_all(at_4h, AT_MARGIN))), high=0.05),
        _recall(outcomes, 4, low=0.97),
        _worst("recall, worst kind", leaky, called, min),
        _passes(outcomes, 4, low=0.82),
        Figure("interval coverage", share(covered(_intervals(at_4h))), low=0.93),
        Figure("leak of 1.2δ in 2 or 3 parts called", share(called(split))),
        Figure("the same passed", share(passed(split)), high=0.05),
        _called_kind(at_4h, FILLING, "filling cache called a leak"),
        _called_kind(at_4h, HEAVY_TAIL, "heavy-tailed fill called a leak", high=0.0),
        *_of_hours(outcomes, SHORT, "30 min"),
    ]
    return [replace(figure, name=f"by parts: {figure.name}") for figure in made]


def _wrong(outcomes: pd.DataFrame, what: str = "", *, high: float) -> tuple[Figure, Figure]:
    """Return false alarms and false passes."""
    healthy, leaky = settled(outcomes, HEALTHY), _all(outcomes, LEAKY)
    return (
        Figure(f"false alarms{what}", share(called(healthy)), high=high, naive=_naive(healthy)),
        Figure(f"false passes of leaks ≥ 3δ{what}", share(passed(leaky)), high=0.0, naive=_missed(leaky)),
    )


def _of_hours(outcomes: pd.DataFrame, hours: float, name: str) -> list[Figure]:
    """Return the figures of runs of another length."""
    rows = outcomes[outcomes["hours"] == hours]
    return [
        *_wrong(rows, f", {name}", high=0.005),
        _recall(outcomes, hours, name=name),
        _passes(outcomes, hours, name=name),
    ]


def settled(outcomes: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the decidable ones of a group."""
    return outcomes[(outcomes["group"] == group) & outcomes["decidable"]]


def called(outcomes: pd.DataFrame) -> pd.Series[bool]:
    """Return which were called a leak."""
    return outcomes["verdict"] == LEAK


def passed(outcomes: pd.DataFrame) -> pd.Series[bool]:
    """Return which got NO LEAK."""
    return outcomes["verdict"] == NO_LEAK


def covered(outcomes: pd.DataFrame) -> pd.Series[bool]:
    """Return which intervals hold the true leak rate."""
    return (outcomes["low"] <= outcomes["leak"]) & (outcomes["leak"] <= outcomes["high"])


def in_window(outcomes: pd.DataFrame, truth: str) -> pd.Series[bool]:
    """Return which windows hold the true time to OOM of this column."""
    high = outcomes["oom_high_s"].fillna(np.inf)
    return (outcomes["oom_low_s"] <= outcomes[truth]) & (outcomes[truth] <= high)


def methods(outcomes: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Return for each naive method which it called a leak."""
    names = [name for name in outcomes.columns if name.startswith(METHOD_PREFIX)]
    return {name.removeprefix(METHOD_PREFIX): outcomes[name] == True for name in names}  # noqa: E712  NaN is no call


def _naive(outcomes: pd.DataFrame) -> dict[str, float]:
    return {name: float(calls.mean()) for name, calls in methods(outcomes).items()}


def _missed(outcomes: pd.DataFrame) -> dict[str, float]:
    return {name: 1 - rate for name, rate in _naive(outcomes).items()}


def _all(outcomes: pd.DataFrame, group: str) -> pd.DataFrame:
    return outcomes[outcomes["group"] == group]


def _intervals(outcomes: pd.DataFrame) -> pd.DataFrame:
    groups = outcomes["group"].isin([HEALTHY, LEAKY, AT_MARGIN, TINY])
    return outcomes[groups & outcomes["decidable"] & outcomes["low"].notna() & outcomes["high"].notna()]


def _with_window(outcomes: pd.DataFrame) -> pd.DataFrame:
    return outcomes[(outcomes["verdict"] == LEAK) & outcomes["oom_low_s"].notna() & outcomes["oom_s"].notna()]


def _worst(
    name: str,
    outcomes: pd.DataFrame,
    flags: Callable[[pd.DataFrame], pd.Series[bool]],
    worst: Callable[..., str],
    *,
    low: float = -np.inf,
    high: float = np.inf,
) -> Figure:
    shares = {str(kind): share(flags(rows)) for kind, rows in outcomes.groupby("kind")}
    if not shares:
        return Figure(name, Share(0, 0), low, high)
    kind = worst(shares, key=lambda kind: shares[kind].value)
    return Figure(name, shares[kind], low, high, note=kind)


def _recall(outcomes: pd.DataFrame, hours: float, *, name: str = "", low: float = -np.inf) -> Figure:
    rows = settled(outcomes[outcomes["hours"] == hours], LEAKY)
    name = name or f"{hours:g} h"
    return Figure(f"recall of leaks ≥ 3δ, {name}", share(called(rows)), low=low, naive=_naive(rows))


def _passes(outcomes: pd.DataFrame, hours: float, *, name: str = "", low: float = -np.inf) -> Figure:
    rows = settled(outcomes[outcomes["hours"] == hours], HEALTHY)
    naive = {method: 1 - rate for method, rate in _naive(rows).items()}
    name = name or f"{hours:g} h"
    return Figure(f"NO LEAK of healthy, {name}", share(passed(rows)), low=low, naive=naive)


def _called_kind(outcomes: pd.DataFrame, kind: str, name: str, *, high: float = np.inf) -> Figure:
    rows = outcomes[outcomes["kind"] == kind]
    return Figure(name, share(called(rows)), high=high, naive=_naive(rows))


def _slowest(outcomes: pd.DataFrame) -> float:
    took = outcomes.loc[outcomes["group"] == TIMED, "took_s"]
    return float(took.max()) if len(took) else np.nan
