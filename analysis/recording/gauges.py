"""The gauges that the target registered, each as a column of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

GAUGES_COLUMN: Final = "gauges"
PREFIX: Final = "gauges."
"""Begins the name of each column that is made of a gauge: ``gauges.pool``."""
_DECODER: Final = json.JSONDecoder(parse_int=float)
SCHEMA_1_OBJECT: Final = "other_gauges"
"""The column of JSON objects in recordings of schema 1."""
SCHEMA_1_COLUMNS: Final = ("cache_entries", "history_entries")
"""Gauges that had columns of their own in recordings of schema 1."""


def spread_gauges(samples: pd.DataFrame) -> pd.DataFrame:
    """Return ``samples`` with a column for each gauge instead of the JSON objects; NaN where it was not read.

    Takes the columns of every schema. A gauge that was never read has no column.
    """
    objects, singles = (
        (SCHEMA_1_OBJECT, SCHEMA_1_COLUMNS) if SCHEMA_1_OBJECT in samples else (GAUGES_COLUMN, ())
    )
    which, texts = pd.factorize(samples[objects])
    read = [numbers_of(text) for text in texts]
    columns = {PREFIX + name: samples[name] for name in singles if samples[name].notna().any()}
    for name in sorted({name for gauges in read for name in gauges}):
        values = np.array([gauges.get(name, math.nan) for gauges in read])
        columns[PREFIX + name] = pd.Series(values[which], index=samples.index)
    return samples.drop(columns=[objects, *singles]).assign(**columns)


def gauge_names(samples: Iterable[pd.DataFrame]) -> tuple[str, ...]:
    """Return the names of the gauges that any of the tables has, in alphabetical order."""
    found = {column for frame in samples for column in frame.columns if column.startswith(PREFIX)}
    return tuple(sorted(column.removeprefix(PREFIX) for column in found))


def numbers_of(text: str) -> dict[str, float]:
    """Return the numbers by name of a cell with a JSON object; what is damaged, or no finite number, was not read."""
    try:
        found, end = _DECODER.raw_decode(text := text.strip(" \t\n\r") or "{}")
    except (ValueError, RecursionError):
        return {}
    if end < len(text) or not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, float) and math.isfinite(value)}
