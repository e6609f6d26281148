"""Fills: caches that the run is too short to fill, and small ones that take a few arenas and stop."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from tests.calibration.simulator.lives import MARGIN
from tests.calibration.simulator.noise import MIB, Chance, log_uniform
from tests.calibration.simulator.parts import RELEVANT, Healthy, Life, Part

LABEL_GROUPS: Final = 200
"""Groups of like frequent labels by which a heavy-tailed set is summed up."""


def few_arenas(life: Life) -> Part:
    """A rise of 1 to 6 MiB that ends: an approach, a straight fill or a creep like a logarithm."""
    rise, form = log_uniform(life.draw, 1, 6) * MIB, life.draw.integers(3)
    ends_s = log_uniform(life.draw, 0.02, 0.6) * life.run_s
    if form == 0:
        tau_s = ends_s / 6
        settled_s = tau_s * max(0.0, float(np.log(rise / (tau_s * RELEVANT * life.margin))))
        return Part(rise * (1 - np.exp(-life.age_s / tau_s)), settled_s)
    if form == 1:
        return Part(rise * np.minimum(life.served_s / ends_s, 1.0), ends_s)
    start_s = ends_s * log_uniform(life.draw, 0.003, 0.3)
    crept_s = np.minimum(life.age_s, ends_s)
    return Part(rise * np.log1p(crept_s / start_s) / np.log1p(ends_s / start_s), ends_s)


def still_filling(draw: Chance, run_s: float) -> Healthy:
    """Return a cache that gains 1 to 30 margins in the run and is not full at its end."""
    gained, full, bend = (
        log_uniform(draw, 1, 30) * MARGIN * run_s,
        draw.uniform(0.2, 0.95),
        draw.uniform(0.05, 3),
    )

    def fill(life: Life) -> Part:
        progress = life.served_s / run_s * full
        return Part(gained * np.expm1(-bend * progress) / np.expm1(-bend * full), np.inf)

    return fill


def heavy_tail(draw: Chance, run_s: float) -> Healthy:
    """Return a cache by labels of a finite, heavy-tailed set, which gains 1 to 30 margins in the run.

    The label of rank i is used in proportion to i ** -steepness (Zipf 1949), so the number of labels seen grows like a
    power of the requests (Heaps 1978) until the rarest have been met. These are used up to three times in the run.
    """
    gained, steepness = log_uniform(draw, 1, 30) * MARGIN * run_s, draw.uniform(1.2, 2.5)
    labels, rarest = log_uniform(draw, 300, 1e6), log_uniform(draw, 0.02, 3)
    edges = np.unique(np.geomspace(1, labels + 1, LABEL_GROUPS).round())
    used = rarest * (labels / np.sqrt(edges[:-1] * (edges[1:] - 1))) ** steepness
    at = np.concatenate([[0.0], np.geomspace(1e-6, 1, 400)])
    seen: Numbers = -np.expm1(-at[:, None] * used) @ np.diff(edges)

    def fill(life: Life) -> Part:
        return Part(gained * np.interp(life.served_s / run_s, at, seen / seen[-1]), np.inf)

    return fill
