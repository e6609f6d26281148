"""Which endpoint a leak of the measured run follows: growth per request of each name.

Live blocks decide, as a block is kept or not; bytes are how much. Both are read at quiesce points, or where that gives
narrower intervals at the end of each half turn of the mix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.by_name import ERROR, GrowthByName
from analysis.recording.accounting import PYTHON
from analysis.recording.model import Arm, Phase, Recording
from analysis.verdict.rotation import growth_of
from analysis.verdict.signals import points_under_load
from soak.contract import ROTATE_S

BLOCKS: Final = "live_blocks"
NAMING_ERROR: Final = 0.01
"""Chance that one of the intervals of blocks, by which endpoints are named, does not hold its rate: half of it for each
of the two kinds of readings of which the better are chosen."""


@dataclass(frozen=True, slots=True)
class EndpointGrowth:
    """The growth of an arm per request of each name."""

    blocks: GrowthByName
    """Live blocks per request; they name the endpoints."""
    bytes: GrowthByName
    """Bytes of Python memory in use per request: of those blocks."""


def endpoint_growth(recording: Recording, arm: Arm) -> EndpointGrowth:
    """Return the growth per request of each name under load, or why it is not known."""
    load = recording.load
    reason = _cannot_be_told(recording, arm) if load else "the run did not reach the phase load"
    if load is None or reason:
        return EndpointGrowth(GrowthByName(reason=reason), GrowthByName(reason=reason))
    readings = (_half_turns(arm, load), points_under_load(arm, load))
    error = NAMING_ERROR / len(readings)
    found = [(_by_name(arm, rows, BLOCKS, error), rows) for rows in readings]
    blocks, rows = min(found, key=lambda one: _width(one[0]))
    return EndpointGrowth(blocks, _by_name(arm, rows, PYTHON))


def _width(growth: GrowthByName) -> float:
    """Return how wide the intervals of all names are together; infinite where they are not known."""
    return math.inf if growth.reason else sum(rate.high - rate.low for rate in growth.rates.values())


def _cannot_be_told(recording: Recording, arm: Arm) -> str:
    """Return why the endpoints of a load cannot be told apart; empty where they can."""
    manifest = recording.manifest
    if manifest.attached:
        return "the requests of attached processes are not recorded by name"
    if manifest.closed_loop:
        return "a locustfile decides what is sent; [[traffic.requests]] would plan it by name"
    if manifest.only_kind:
        return f"all requests are {manifest.only_kind}"
    if not manifest.rotates:
        return 'the mix of requests is constant; traffic.mix = "rotate" tells endpoints apart'
    if BLOCKS not in arm.samples or not arm.samples[BLOCKS].notna().any():
        return "no probe read live blocks"
    return ""


def _by_name(arm: Arm, rows: pd.DataFrame, column: str, error: float = ERROR) -> GrowthByName:
    t_s, value, life = (rows[name].to_numpy(float) for name in ("t_s", column, "life"))
    return growth_of(arm.sent, t_s, value, life, error)


def _half_turns(arm: Arm, load: Phase) -> pd.DataFrame:
    """Return the last reading of each half turn of the load within each life."""
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)].dropna(subset=BLOCKS)
    turn = np.ceil((rows["t_s"] - load.start_s) / (ROTATE_S / 2)).rename("turn")
    return rows.groupby([rows["life"], turn]).tail(1)
