"""The style of every figure: sizes, colours, the line of an arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import LineStyleType

from analysis.judge.types import Numbers
from analysis.recording.model import Arm, Recording, sides

WIDTH_INCHES: Final = 8.0
DPI: Final = 200
INK: Final = "#222222"
FAINT: Final = "#666666"
BAND: Final = "#f3f3f3"
GRID: Final = "#e4e4e4"
PAPER: Final = "#ffffff"
MAX_POINTS: Final = 4000


@dataclass(frozen=True, slots=True)
class Look:
    """The line of an arm, distinct by colour (Okabe and Ito's, safe for the colour-blind) and by dashes."""

    colour: str
    dashes: LineStyleType
    """A name of matplotlib's, or an offset and the lengths of dashes and gaps, in line widths."""
    width: float = 1.6
    """Points."""

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of matplotlib for a line of the arm."""
        return {"color": self.colour, "linestyle": self.dashes, "linewidth": self.width}

    @property
    def thin_line(self) -> dict[str, Any]:
        """The same for a line of values that vary from second to second."""
        return {**self.line, "linewidth": 1.1}


BEFORE: Final = Look("#d55e00", "-")
AFTER: Final = Look("#0072b2", "--")
OTHERS: Final = (
    Look("#009e73", "-."),
    Look("#cc79a7", ":"),
    Look("#222222", (0, (6, 1, 1, 1, 1, 1))),
    Look("#56b4e9", (0, (9, 2))),
    Look("#e69f00", (0, (2, 1))),
)


def looks(arms: tuple[Arm, ...]) -> list[tuple[Arm, Look]]:
    """Return each arm with its look."""
    before, after = sides(arms)
    others = [arm for arm in arms if arm is not before and arm is not after]
    chosen = {arm.name: OTHERS[i % len(OTHERS)] for i, arm in enumerate(others)}
    chosen |= {arm.name: look for arm, look in ((before, BEFORE), (after, AFTER)) if arm is not None}
    return [(arm, chosen[arm.name]) for arm in arms]


def new_figure(title: str, recording: Recording, height: float = 4.5) -> Figure:
    """Return an empty figure with its title on the left and the run's on the right; height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DPI, facecolor="white", layout=layout)
    figure.suptitle(title, x=0.015, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.text(
        0.985,
        1 - 0.09 / height,
        recording.manifest.run_id,
        ha="right",
        va="top",
        color=FAINT,
        fontsize=8,
        parse_math=False,
    )
    return figure


def decimate(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return at most MAX_POINTS points that keep each stretch's lowest and highest value; a NaN alone stays one."""
    if len(x) <= MAX_POINTS:
        return x, y
    stretch = -(-len(x) // (MAX_POINTS // 2))
    padded = np.append(y, np.full(-len(y) % stretch, np.nan)).reshape(-1, stretch)
    lowest = np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
    highest = np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
    places = np.sort(np.concatenate([lowest, highest]) + np.tile(np.arange(len(padded)) * stretch, 2))
    return x[places], y[places]
