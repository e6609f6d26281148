"""From outcomes to the figures that have goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import LEAK, NO_LEAK
from tests.calibration.plan import AT_MARGIN, HEALTHY, LEAKY, SHORT, TIMED, TINY
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
    """Return every figure with a goal, in the order of the report."""
    at_4h = outcomes[outcomes["hours"] == 4]
    healthy, leaky = settled(at_4h, HEALTHY), settled(at_4h, LEAKY)
    filling = at_4h[at_4h["kind"] == FILLING]
    heavy_tailed = at_4h[at_4h["kind"] == HEAVY_TAIL]
    replayed, longer = at_4h["found_again"].dropna(), at_4h["decided"].dropna()
    short = outcomes[outcomes["hours"] == SHORT]
    oom = _with_window(leaky)
    return [
        Figure("false alarms", share(called(healthy)), high=0.002, naive=_naive(healthy)),
        _worst("false alarms, worst kind", healthy, called, max, high=0.02),
        Figure(
            "false passes of leaks ≥ 3δ",
            share(passed(_all(at_4h, LEAKY))),
            high=0.0,
            naive=_missed(_all(at_4h, LEAKY)),
        ),
        Figure("NO LEAK of a leak of exactly δ", share(passed(_all(at_4h, AT_MARGIN))), high=0.05),
        Figure("recall of leaks ≥ 3δ, 4 h", share(called(leaky)), low=0.98, naive=_naive(leaky)),
        _worst("recall, worst kind", leaky, called, min, low=0.93),
        _recall(outcomes, 8, low=0.995),
        *_short(short),
        *(_passes(outcomes, hours, low=low) for hours, low in ((4, 0.82), (8, 0.93), (24, 0.97))),
        Figure("interval coverage", share(covered(_intervals(at_4h))), low=0.93, high=0.97),
        _worst("coverage, worst kind", _intervals(at_4h), covered, min, low=0.90),
        Figure("detectable leak, found again", share(replayed == 1), low=0.80),
        Figure("decided after the stated time", share(longer == 1), low=0.50),
        Figure("OOM window covers", share(in_window(oom, "oom_s")), low=0.93),
        Figure("filling cache called a leak", share(called(filling)), high=0.25, naive=_naive(filling)),
        Figure("the same with its gauge", share(filling["with_gauge"] == LEAK), high=0.03),
        Figure(
            "heavy-tailed fill called a leak",
            share(called(heavy_tailed)),
            high=0.15,
            naive=_naive(heavy_tailed),
        ),
        Figure("slowest 8 h at 1 s ticks, seconds", _slowest(outcomes), high=1.0),
        Figure("crashes", share(outcomes["verdict"] == CRASHED), high=0.0),
    ]


def _short(outcomes: pd.DataFrame) -> tuple[Figure, Figure, Figure]:
    """Return the figures of runs that are too short for memory alone: what is decided then is right."""
    healthy, leaky = settled(outcomes, HEALTHY), settled(outcomes, LEAKY)
    return (
        Figure("false alarms, 30 min", share(called(healthy)), high=0.005, naive=_naive(healthy)),
        Figure(
            "false passes, 30 min",
            share(passed(_all(outcomes, LEAKY))),
            high=0.0,
            naive=_missed(_all(outcomes, LEAKY)),
        ),
        Figure("recall of leaks ≥ 3δ, 30 min", share(called(leaky)), naive=_naive(leaky)),
    )


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


def _recall(outcomes: pd.DataFrame, hours: float, *, low: float) -> Figure:
    rows = settled(outcomes[outcomes["hours"] == hours], LEAKY)
    return Figure(f"recall of leaks ≥ 3δ, {hours:g} h", share(called(rows)), low=low, naive=_naive(rows))


def _passes(outcomes: pd.DataFrame, hours: float, *, low: float) -> Figure:
    rows = settled(outcomes[outcomes["hours"] == hours], HEALTHY)
    naive = {name: 1 - rate for name, rate in _naive(rows).items()}
    return Figure(f"NO LEAK of healthy, {hours:g} h", share(passed(rows)), low=low, naive=naive)


def _slowest(outcomes: pd.DataFrame) -> float:
    took = outcomes.loc[outcomes["group"] == TIMED, "took_s"]
    return float(took.max()) if len(took) else np.nan
