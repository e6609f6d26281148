"""Reading a CSV file of a recording, also one that was cut short or damaged."""

from __future__ import annotations

import sys
from collections.abc import Set
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pandas as pd

AMOUNTS: Final = (0.0, sys.float_info.max)
"""Nothing that is counted, sized or numbered is negative or without end."""
LONGEST: Final = (-1e12, 1e12)
"""Seconds: a time beyond is damage."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The readable rows of a file, and sentences on what was not readable."""

    frame: pd.DataFrame
    gaps: tuple[str, ...] = ()


def read_table(
    path: Path, numbers: tuple[str, ...], texts: tuple[str, ...], *, optional: Set[str] = frozenset()
) -> CsvTable:
    """Read the columns ``numbers`` (float, NaN = not read) and ``texts`` ("" = empty), sorted by ``t_s``.

    ``t_s`` must be among the numbers; a row without it is dropped. Damage never raises: ``gaps`` states it, but not
    the absence of a column in ``optional``.
    """
    wanted = (*numbers, *texts)
    try:
        content = path.read_bytes()
    except OSError as error:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is missing ({error.strerror})",))
    lines, newline, torn = content.rpartition(b"\n")
    gaps = ["its last line is torn and was dropped"] if torn else []
    try:
        frame = pd.read_csv(
            BytesIO(lines + newline),
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values=[""],
            on_bad_lines="skip",
            encoding_errors="replace",
            low_memory=False,
        )
    except pd.errors.EmptyDataError:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is empty",))
    except pd.errors.ParserError as error:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is not readable ({error})",))
    if absent := [name for name in wanted if name not in frame.columns and name not in optional]:
        gaps.append(f"it has no column {', '.join(absent)}")
    frame = frame.reindex(columns=list(wanted))
    columns = {name: _read(frame[name], *(LONGEST if name == "t_s" else AMOUNTS)) for name in numbers}
    frame = pd.DataFrame(
        columns | {name: frame[name].astype(object).fillna("").astype(str) for name in texts}
    )
    frame = frame.dropna(subset="t_s").sort_values("t_s", kind="stable", ignore_index=True)
    if damaged := lines.count(b"\n") - len(frame):
        gaps.append(f"{damaged} damaged lines were dropped")
    if frame.empty:
        gaps.append("it has no rows")
    return CsvTable(frame, tuple(f"{path.name}: {gap}" for gap in gaps))


def _read(column: pd.Series[Any], least: float, most: float) -> pd.Series[float]:
    values = pd.to_numeric(column, errors="coerce").astype(float)
    return values.where((values >= least) & (values <= most))


def _empty(numbers: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    columns = {name: pd.Series(dtype=float) for name in numbers} | {
        name: pd.Series(dtype=str) for name in texts
    }
    return pd.DataFrame(columns)
