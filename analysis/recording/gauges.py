"""The gauges that share one column of ``samples.csv``, each as a column of its own."""

from __future__ import annotations

import json
import math
from typing import Final

import pandas as pd

OTHER_GAUGES: Final = "other_gauges"
PREFIX: Final = "other_gauges."
"""Of the columns made here: ``other_gauges.pool``."""


def spread(samples: pd.DataFrame) -> pd.DataFrame:
    """Return ``samples`` with a column for each gauge instead of the JSON objects; NaN where it was not read."""
    texts = samples[OTHER_GAUGES]
    read = {text: _gauges(text) for text in texts.unique()}
    names = sorted({name for gauges in read.values() for name in gauges})
    columns = {
        PREFIX + name: texts.map({text: gauges.get(name, math.nan) for text, gauges in read.items()}).astype(
            float
        )
        for name in names
    }
    return samples.drop(columns=OTHER_GAUGES).assign(**columns)


def _gauges(text: str) -> dict[str, float]:
    """Return the numbers of one cell; what is damaged, or no finite number, was not read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    numbers = {name: float(value) for name, value in found.items() if type(value) in (int, float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
