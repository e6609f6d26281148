"""The figures as one picture that can be read in grey."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.calibration.figures import called, methods, passed, settled
from tests.calibration.plan import AT_MARGIN, HEALTHY, LEAKY, TINY
from tests.calibration.simulator.kinds import OOM

INK: Final = "#222222"
LOOKS: Final = {0.5: ("-.", "d"), 4.0: ("-", "o"), 8.0: ("--", "s"), 24.0: (":", "^")}
MARKS: Final = ("s", "^", "v", "D", "P")
LARGEST: Final = 30


def draw(outcomes: pd.DataFrame, path: Path) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 8.5), dpi=150, facecolor="white", layout="constrained")
    places = figure.subplots(2, 2)
    at_4h = outcomes[outcomes["hours"] == 4]
    _verdicts(places[0, 0], settled(at_4h, HEALTHY), "Healthy, 4 h: share of verdicts")
    _verdicts(places[0, 1], settled(at_4h, LEAKY), "Leaks of 3 δ and more, 4 h: share of verdicts")
    _recall(places[1, 0], outcomes)
    _methods(places[1, 1], at_4h)
    figure.savefig(path)


def _verdicts(axes: Axes, outcomes: pd.DataFrame, title: str) -> None:
    kinds = list(dict.fromkeys(outcomes["kind"]))[::-1]
    groups = [outcomes[outcomes["kind"] == kind] for kind in kinds]
    no_leak = np.array([passed(rows).mean() for rows in groups])
    leak = np.array([called(rows).mean() for rows in groups])
    axes.barh(kinds, no_leak, color="#e8e8e8", edgecolor=INK, linewidth=0.5, label="NO LEAK")
    axes.barh(
        kinds,
        1 - no_leak - leak,
        left=no_leak,
        color="white",
        edgecolor=INK,
        linewidth=0.5,
        hatch="///",
        label="INCONCLUSIVE",
    )
    axes.barh(kinds, leak, left=1 - leak, color="#444444", edgecolor=INK, linewidth=0.5, label="LEAK")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.tick_params(labelsize=8)
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(
        fontsize=7.5,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.06),
        frameon=False,
        handlelength=1.4,
    )


def _recall(axes: Axes, outcomes: pd.DataFrame) -> None:
    leaks = outcomes[outcomes["group"].isin([LEAKY, AT_MARGIN, TINY]) & outcomes["decidable"]]
    leaks = leaks[(leaks["kind"] != OOM) & (leaks["leak"] <= LARGEST + 1)]
    leaks = leaks.assign(size=leaks["leak"].round(2))
    for hours, of_hours in leaks.groupby("hours"):
        by_size = called(of_hours).groupby(of_hours["size"]).mean()
        line, mark = LOOKS[float(str(hours))]
        axes.plot(
            by_size.index,
            by_size,
            line,
            marker=mark,
            color=INK,
            markersize=4,
            linewidth=1.3,
            label=f"LEAK, {hours:g} h",
        )
    at_4h = leaks[leaks["hours"] == 4]
    by_size = passed(at_4h).groupby(at_4h["size"]).mean()
    axes.plot(
        by_size.index,
        by_size,
        "-",
        marker="x",
        color="#888888",
        markersize=5,
        linewidth=1,
        label="NO LEAK, 4 h",
    )
    axes.axvline(1, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("true leak, in δ", fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_title("Verdicts by size of the leak", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=False, loc="center right")


def _methods(axes: Axes, at_4h: pd.DataFrame) -> None:
    healthy, leaky = settled(at_4h, HEALTHY), settled(at_4h, LEAKY)
    missed = methods(leaky)
    points = {"soakproof": (float(called(healthy).mean()), 1 - float(called(leaky).mean()), "o", INK)}
    for mark, (name, alarms) in zip(MARKS, methods(healthy).items(), strict=False):
        rate = 1 - float(missed[name].mean())
        points[name] = (float(alarms.mean()), rate, mark, "white")
    for name, (alarms_rate, not_called, mark, fill) in points.items():
        axes.plot(alarms_rate, not_called, mark, color=fill, markeredgecolor=INK, markersize=8)
        axes.annotate(
            name, (alarms_rate, not_called), xytext=(8, -3), textcoords="offset points", fontsize=8, color=INK
        )
    axes.set_xlim(-0.02, max(0.6, axes.get_xlim()[1] + 0.1))
    axes.set_ylim(-0.03, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_xlabel("healthy called leaking", fontsize=9)
    axes.set_ylabel("leaks of 3 δ and more not called", fontsize=9)
    axes.set_title("Beside the naive methods, 4 h", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
