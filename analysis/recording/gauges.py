"""The gauges that the target registered, each as a column of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.judge.types import Numbers

GAUGES_COLUMN: Final = "gauges"
PREFIX: Final = "gauges."
"""Begins the name of each column that is made of a gauge: ``gauges.pool``."""
MOST_GAUGES: Final = 256
"""Names of gauges that are read, those that come first: 32 can be registered, and a build may have others."""
LEAST_GAUGES: Final = 32
MOST_CELLS: Final = 1 << 27
"""Numbers of all gauges of an arm, 1 GiB, beyond which no more than LEAST_GAUGES names are read."""
MOST_VALUE: Final = 2.0**64
"""Largest value of a gauge; one beyond was not read."""
AT_ONCE: Final = 4096
"""Cells that are decoded together, so that their objects take little memory."""
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
    which, texts = pd.factorize(samples[objects].to_numpy())
    columns = {PREFIX + name: samples[name] for name in singles if samples[name].notna().any()}
    most = min(MOST_GAUGES, max(LEAST_GAUGES, MOST_CELLS // max(1, len(samples))))
    for name, values in sorted(_by_name(texts.tolist(), most).items()):
        columns[PREFIX + name] = pd.Series(values[which], index=samples.index)
    rest = samples.drop(columns=[objects, *singles])
    return pd.concat([rest, pd.DataFrame(columns, index=samples.index)], axis=1)


def _by_name(texts: list[str], most: int) -> dict[str, Numbers]:
    """Return the numbers of each of the first names, one for each text; NaN where it has none."""
    found: dict[str, Numbers] = {}
    for first in range(0, len(texts), AT_ONCE):
        objects = _objects(texts[first : first + AT_ONCE])
        for name in dict.fromkeys(chain.from_iterable(objects)):
            if name not in found and len(found) >= most:
                continue
            values = [one.get(name, math.nan) for one in objects]
            if set(map(type, values)) != {float}:
                values = [value if isinstance(value, float) else math.nan for value in values]
            if name not in found:
                found[name] = np.full(len(texts), math.nan)
            found[name][first : first + len(values)] = values
    for values_of in found.values():
        values_of[~(np.abs(values_of) <= MOST_VALUE)] = math.nan
    return {name: values_of for name, values_of in found.items() if not np.isnan(values_of).all()}


def _objects(texts: list[str]) -> list[dict[str, Any]]:
    """Return the object of each cell, as :func:`_object`.

    Cells that are an object in one line without another in it, as a run writes them, are decoded together: none of them
    can be more or less than its line, as no text of JSON goes on in the next line, and all braces are at their ends.
    """
    together, ends = ",\n".join(texts), len(texts) - 1
    braces, between = together.count("{"), together.count("},\n{")
    if (braces, together.count("}"), between, together.count("\n")) == (
        len(texts),
        len(texts),
        ends,
        ends,
    ) and (together.startswith("{") and together.endswith("}")):
        try:
            objects: list[dict[str, Any]] = _DECODER.decode(f"[{together}]")
        except (ValueError, RecursionError):
            pass
        else:
            return objects
    return [_object(text) for text in texts]


def gauge_names(samples: Iterable[pd.DataFrame]) -> tuple[str, ...]:
    """Return the names of the gauges that any of the tables has, in alphabetical order."""
    found = {column for frame in samples for column in frame.columns if column.startswith(PREFIX)}
    return tuple(sorted(column.removeprefix(PREFIX) for column in found))


def numbers_of(text: str) -> dict[str, float]:
    """Return the numbers by name of a cell with a JSON object; what is damaged, or beyond MOST_VALUE, was not read."""
    values = _object(text).items()
    return {name: value for name, value in values if isinstance(value, float) and abs(value) <= MOST_VALUE}


def _object(text: str) -> dict[str, Any]:
    """Return the object of a cell; one without a name where it is empty, damaged or no object."""
    try:
        found, end = _DECODER.raw_decode(text := text.strip(" \t\n\r") or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if end == len(text) and isinstance(found, dict) else {}
