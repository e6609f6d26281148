"""The figures as one picture that can be read in grey."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.calibration.figures import called, methods, passed, settled
from tests.calibration.plan import ALONE, AT_MARGIN, HEALTHY, LEAKY, PARTS, SPLIT_LEAK, TINY
from tests.calibration.simulator.kinds import OOM

INK: Final = "#222222"
GREY: Final = "#888888"
LOOKS: Final = {0.5: ("-.", "d"), 4.0: ("-", "o"), 8.0: ("--", "s"), 24.0: (":", "^")}
MARKS: Final = ("s", "^", "v", "D", "P")
LARGEST: Final = 30


def draw(outcomes: pd.DataFrame, path: Path) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 12), dpi=150, facecolor="white", layout="constrained")
    places = figure.subplots(3, 2, height_ratios=(1.2, 1.2, 1))
    alone, parts = (outcomes[outcomes["by"] == by] for by in (ALONE, PARTS))
    for row, (name, judged) in enumerate((("Memory alone", alone), ("By parts", parts))):
        at_4h = judged[judged["hours"] == 4]
        _verdicts(places[row, 0], settled(at_4h, HEALTHY), f"{name}: healthy, 4 h")
        _verdicts(places[row, 1], settled(at_4h, LEAKY), f"{name}: leaks of 3 δ and more, 4 h")
    _recall(places[2, 0], alone, parts)
    _methods(places[2, 1], *(judged[judged["hours"] == 4] for judged in (alone, parts)))
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


def _recall(axes: Axes, alone: pd.DataFrame, parts: pd.DataFrame) -> None:
    for judged, name, ink in ((alone, "alone", INK), (parts, "by parts", GREY)):
        leaks = judged[judged["group"].isin([LEAKY, AT_MARGIN, TINY, SPLIT_LEAK]) & judged["decidable"]]
        leaks = leaks[(leaks["kind"] != OOM) & (leaks["leak"] <= LARGEST + 1)]
        leaks = leaks.assign(size=leaks["leak"].round(2))
        for hours, of_hours in leaks.groupby("hours"):
            if float(str(hours)) not in LOOKS:
                continue
            by_size = called(of_hours).groupby(of_hours["size"]).mean()
            line, mark = LOOKS[float(str(hours))]
            axes.plot(
                by_size.index,
                by_size,
                line,
                marker=mark,
                color=ink,
                markersize=4,
                linewidth=1.3,
                label=f"LEAK, {name}, {hours:g} h",
            )
    axes.axvline(1, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("true leak, in δ", fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_title("Verdicts by size of the leak", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False, loc="upper left")


def _methods(axes: Axes, alone: pd.DataFrame, parts: pd.DataFrame) -> None:
    points = {}
    for judged, name, fill in ((alone, "soakproof, memory alone", GREY), (parts, "soakproof, by parts", INK)):
        healthy, leaky = settled(judged, HEALTHY), settled(judged, LEAKY)
        points[name] = (float(called(healthy).mean()), 1 - float(called(leaky).mean()), "o", fill)
    healthy, leaky = settled(alone, HEALTHY), settled(alone, LEAKY)
    missed = methods(leaky)
    for mark, (name, alarms) in zip(MARKS, methods(healthy).items(), strict=False):
        points[name] = (float(alarms.mean()), 1 - float(missed[name].mean()), mark, "white")
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
