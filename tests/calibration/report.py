"""The figures for people: a table on the terminal, report.md with the details by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from rich.table import Table

from analysis.judge.types import ReasonCode
from tests.calibration.ceiling import arenas_ceiling
from tests.calibration.figures import Figure, Share, called, covered, in_window, passed, settled, share
from tests.calibration.naive import LINE, METHODS
from tests.calibration.plan import ALONE, AT_MARGIN, HEALTHY, LEAKS, LEAKY, PARTS, SPLIT_LEAK, TINY

Flags = dict[str, Callable[[pd.DataFrame], "pd.Series[bool]"]]

NAIVE: Final = (LINE, *METHODS)
HEAD: Final = ("figure", "goal", "measured", "95% interval", "traces", "verdict", *NAIVE)


def lines(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return the table's lines below its head."""
    return [_line(figure) for figure in figures]


def console_tables(figures: Sequence[Figure]) -> tuple[Table, Table]:
    """Return the judge's figures, and those that the naive methods have too, each less than 100 columns wide."""
    own = len(HEAD) - len(NAIVE)
    beside = [(line[0], line[2], *line[own:]) for line in lines(figures) if any(line[own:])]
    return _table(HEAD[:own], [line[:own] for line in lines(figures)]), _table(
        ("figure", "soakproof", *NAIVE), beside
    )


def report(figures: Sequence[Figure], outcomes: pd.DataFrame, *, first_seed: int, took_s: float) -> str:
    """Return report.md."""
    fell_short = [figure.name for figure in figures if not figure.met]
    count = sum(figure.met for figure in figures)
    alone, parts = (outcomes[outcomes["by"] == by] for by in (ALONE, PARTS))
    wrong: Flags = {"recall": called, "false passes": passed, "interval covers": covered}
    right: Flags = {"false alarms": called, "NO LEAK": passed, "interval covers": covered}
    written = [
        "# Calibration of the judge",
        f"{len(outcomes):,} simulated recordings with known truth, seeds from {first_seed:,}, "
        f"judged in {took_s / 60:.0f} minutes. δ is 1 MiB/h. {count} of {len(figures)} goals met"
        + (f"; the others: {'; '.join(fell_short)}." if fell_short else "."),
        "![Verdicts by kind, recall by size, and the naive methods](calibration.png)",
        _markdown(HEAD, lines(figures)),
        "## Memory alone: healthy kinds, 4 h",
        _by_kind(alone, HEALTHY, right),
        "## Memory alone: leaky kinds, 4 h, leaks ≥ 3δ",
        _by_kind(
            alone,
            LEAKY,
            wrong
            | {
                "OOM window covers crest": lambda rows: _oom(rows, "oom_s"),
                "covers mean level": lambda rows: _oom(rows, "oom_mean_s"),
            },
        ),
        "## By parts: healthy kinds, 4 h",
        _by_kind(parts, HEALTHY, right | {"INCONCLUSIVE by the reserve": _reserved}),
        "## By parts: leaky kinds, 4 h, leaks ≥ 3δ",
        _by_kind(parts, LEAKY, wrong | {"INCONCLUSIVE by the reserve": _reserved}),
        "## By size of the leak and horizon",
        _by_size(outcomes),
        "## What could not be told",
        "Traces whose healthy part had settled for less than two fifths of the run.",
        _undecidable(outcomes),
        "## Minimum detectable leak of memory alone, in δ, of healthy traces",
        _detectable(alone),
        "## The most that could be told on arenas",
        _ceiling(),
    ]
    return "\n\n".join(written) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _line(figure: Figure) -> tuple[str, ...]:
    measured = figure.measured
    note = f" ({figure.note})" if figure.note else ""
    naive = tuple(_percent(figure.naive[name]) if name in figure.naive else "" for name in NAIVE)
    verdict = "no traces" if np.isnan(figure.value) else "met" if figure.met else "fell short"
    if isinstance(measured, Share):
        low, high = measured.interval()
        text = f"{_percent(measured.value)}{note}"
        return (
            figure.name,
            _goal(figure, _percent),
            text,
            f"{_percent(low)} to {_percent(high)}" if measured.of else "",
            str(measured.of),
            verdict,
            *naive,
        )
    return (
        figure.name,
        _goal(figure, "{:g}".format),
        f"{measured:.2f}{note}" if np.isfinite(measured) else "",
        "",
        "",
        verdict,
        *naive,
    )


def _goal(figure: Figure, text: Callable[[float], str]) -> str:
    if np.isfinite(figure.low) and np.isfinite(figure.high):
        return f"{text(figure.low)} to {text(figure.high)}"
    if np.isfinite(figure.low):
        return f"≥ {text(figure.low)}"
    if np.isfinite(figure.high):
        return f"≤ {text(figure.high)}" if figure.high else "none"
    return "as found"


def _percent(rate: float) -> str:
    return "" if np.isnan(rate) else f"{100 * rate:.3g}%"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _by_kind(outcomes: pd.DataFrame, group: str, columns: Flags) -> str:
    rows = settled(outcomes[outcomes["hours"] == 4], group)
    table = [
        (str(kind), str(len(of_kind)), *(_percent(share(flags(of_kind)).value) for flags in columns.values()))
        for kind, of_kind in rows.groupby("kind", sort=False)
    ]
    return _markdown(("kind", "traces", *columns), table)


def _reserved(outcomes: pd.DataFrame) -> pd.Series[bool]:
    return outcomes["code"] == ReasonCode.RESERVE.value


def _oom(rows: pd.DataFrame, truth: str) -> pd.Series[bool]:
    said = rows[(called(rows)) & rows["oom_low_s"].notna()]
    return in_window(said, truth)


def _by_size(outcomes: pd.DataFrame) -> str:
    leaks = outcomes[outcomes["group"].isin([LEAKY, AT_MARGIN, TINY, SPLIT_LEAK]) & outcomes["decidable"]]
    sizes = leaks.assign(leak=leaks["leak"].round(2)).groupby(["by", "hours", "leak"])
    table = [
        (
            str(by),
            f"{hours:g} h",
            f"{size:g} δ",
            str(len(rows)),
            _percent(share(called(rows)).value),
            _percent(share(passed(rows)).value),
        )
        for (by, hours, size), rows in sizes
    ]
    return _markdown(("judged by", "horizon", "leak", "traces", "called LEAK", "called NO LEAK"), table)


def _undecidable(outcomes: pd.DataFrame) -> str:
    rest = outcomes[
        ~outcomes["decidable"] & (outcomes["hours"] == 4) & outcomes["group"].isin([HEALTHY, LEAKY])
    ]
    table = [
        (
            str(by),
            str(group),
            str(kind),
            str(len(rows)),
            _percent(share(called(rows)).value),
            _percent(share(passed(rows)).value),
        )
        for (by, group, kind), rows in rest.groupby(["by", "group", "kind"], sort=False)
    ]
    return _markdown(("judged by", "group", "kind", "traces", "LEAK", "NO LEAK"), table)


def _ceiling() -> str:
    ceiling = arenas_ceiling(np.random.default_rng(0), LEAKS)
    return (
        "Told the covariance of the arenas, and that nothing but a line lies beneath, generalised least squares "
        f"would find {_percent(ceiling.recall)} of the leaks and clear {_percent(ceiling.cleared)} of the healthy."
    )


def _detectable(outcomes: pd.DataFrame) -> str:
    rows = outcomes[(outcomes["group"] == HEALTHY) & outcomes["decidable"]]
    table = [
        (
            f"{hours:g} h",
            _percent(float(of_hours["detectable"].notna().mean())),
            *(f"{of_hours['detectable'].quantile(part):.2f}" for part in (0.1, 0.5, 0.9)),
        )
        for hours, of_hours in rows.groupby("hours")
    ]
    return _markdown(("horizon", "stated", "10%", "median", "90%"), table)
