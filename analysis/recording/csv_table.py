"""Reading a CSV file of a recording, also one that was cut short, damaged or changed."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.recording.as_written import (
    AMOUNTS,
    LONGEST,
    NUMBER,
    Columns,
    FileRows,
    TextKind,
    UnreadableError,
    head_names,
    read_as_written,
    read_csv,
    refuse_short_rows,
)
from soak.regular_files import MOST_TABLE_BYTES, read_regular


@dataclass(frozen=True, slots=True)
class Rows:
    """What holds for the rows of every file of one name, as a run writes it."""

    identity: tuple[str, ...] = ()
    """Columns by which a row is unlike every other; empty: all that are read."""
    ordered_within: str = ""
    """Column within whose values ``t_s`` never goes back; empty: it never does."""
    slack_s: float = 0.0
    """Seconds by which ``t_s`` may go back all the same, as threads share the file."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The readable rows of a file, and sentences on what was not readable or is not as a run writes it."""

    frame: pd.DataFrame
    gaps: tuple[str, ...] = ()


def read_table(
    path: Path,
    numbers: tuple[str, ...],
    texts: tuple[str, ...],
    *,
    optional: Set[str] = frozenset(),
    rows: Rows = Rows(),
    arm: str = "",
    required: bool = True,
    text_kind: TextKind = "str",
    checked_only: Set[str] = frozenset(),
) -> CsvTable:
    """Read the columns ``numbers`` (float, NaN = not read) and ``texts`` ("" = empty), sorted by ``t_s``.

    ``t_s`` must be among the numbers; a row without it is dropped. Damage never raises: ``gaps`` states it, also rows
    that are doubled, out of order, or of another arm than ``arm``, but not the absence of a column in ``optional``, nor
    without ``required`` that of the file, of its rows or of the end of its last line. The numbers ``checked_only`` are
    not in the frame.
    """
    columns = Columns(numbers, texts, arm, text_kind, checked_only)
    try:
        table = read_as_written(path, columns)
        if table is None:
            table = read_damaged(read_regular(path, MOST_TABLE_BYTES), columns)
    except FileNotFoundError as error:
        missing = (f"{path.name} is missing ({error.strerror})",) if required else ()
        return CsvTable(columns.no_rows(), missing)
    except (OSError, UnreadableError) as error:
        why = f"not readable ({error.strerror})" if isinstance(error, OSError) else str(error)
        return CsvTable(columns.no_rows(), (f"{path.name} is {why}",))
    frame = table.frame
    gaps = ["its last line is torn and was dropped"] if table.torn and required else []
    gaps += [*_of_columns(table.names, (*numbers, *texts), optional), *table.gaps, *_of_rows(frame, rows)]
    if table.others:
        gaps.append(f"{table.others} rows are of another arm")
    if frame.empty and required:
        gaps.append("it has no rows")
    if not frame["t_s"].is_monotonic_increasing:
        frame = frame.sort_values("t_s", kind="stable", ignore_index=True)
    return CsvTable(frame, tuple(f"{path.name}: {gap}" for gap in gaps))


def read_damaged(content: bytes, columns: Columns) -> FileRows:
    """Return the rows of a file of which some part is as no run writes it; raises UnreadableError for none."""
    refuse_short_rows(content.count(b"\n"), len(content), columns)
    lines, newline, torn = content.rpartition(b"\n")
    del content
    try:
        names = head_names(lines.partition(b"\n")[0])
        cells = _parse(lines + newline, columns)
    except pd.errors.EmptyDataError:
        raise UnreadableError("empty") from None
    except pd.errors.ParserError as error:
        raise UnreadableError(f"not readable ({error})") from None
    gaps = []
    frame, unread = _numbers_and_texts(cells, columns)
    frame = frame[[*columns.kept, *columns.texts]]
    if len(frame) == lines.count(b"\n"):  # else lines are damaged, and which row stands in which is not known
        frame = frame.loc[_has_all_cells(lines, len(names))]
    frame = frame.dropna(subset="t_s")
    if damaged := lines.count(b"\n") - len(frame):
        gaps.append(f"{damaged} damaged lines were dropped")
    if lines.decode("utf-8", "ignore").encode() != lines:
        gaps.append("it has bytes that are no text in UTF-8")
    others = int((~cells["arm"].isin(("", columns.arm))).sum()) if columns.arm else 0
    return FileRows(names, frame, bool(torn), (*gaps, *unread), others)


def _parse(content: bytes, columns: Columns) -> pd.DataFrame:
    """Return the cells of these columns: numbers as floats where all are, else as text, missing columns empty."""
    texts = (*columns.texts, "arm")
    options: dict[str, Any] = {"na_values": [""], "on_bad_lines": "skip", "encoding_errors": "replace"}
    try:
        kinds = dict.fromkeys(texts, str) | dict.fromkeys(columns.numbers, float)
        frame = read_csv(content, columns, dtype=kinds, **options)
    except (ValueError, OverflowError) as error:
        if isinstance(error, pd.errors.EmptyDataError | pd.errors.ParserError):
            raise
        frame = read_csv(content, columns, dtype=str, **options)
    frame = frame.reindex(columns=list(dict.fromkeys((*columns.numbers, *texts))))
    frame["arm"] = frame["arm"].astype(object).fillna("").astype(str)
    return frame


def _numbers_and_texts(cells: pd.DataFrame, wanted: Columns) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns, and a sentence on the cells that hold no number of ours and count as not read."""
    columns, unread, named = {}, 0, ""
    for name in wanted.numbers:
        least, most = LONGEST if name == "t_s" else AMOUNTS
        given = cells[name]
        values = given if given.dtype == float else given.map(_number, na_action="ignore").astype(float)
        columns[name] = values.where((values >= least) & (values <= most))
        if name != "t_s" and (bad := int((given.notna() & columns[name].isna()).sum())):
            unread, named = unread + bad, named or name
    texts = {name: cells[name].astype(object).fillna("").astype(str) for name in wanted.texts}
    frame = pd.DataFrame(columns | texts).astype(dict.fromkeys(wanted.texts, wanted.text_kind))
    return frame, [
        f"{unread} cells hold no number and count as not read, the first in column {named}"
    ] if unread else []


def _of_columns(names: list[str], wanted: tuple[str, ...], optional: Set[str]) -> list[str]:
    gaps = []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        gaps.append(f"column {', '.join(twice)} is there twice")
    if absent := [name for name in wanted if name not in names and name not in optional]:
        gaps.append(f"it has no column {', '.join(absent)}")
    return gaps


def _of_rows(frame: pd.DataFrame, rows: Rows) -> list[str]:
    """Return sentences on rows that are there twice or go back in time; ``frame`` is in the order of the file."""
    gaps = []
    t_s = frame["t_s"]
    if (np.diff(t_s.to_numpy()) > 0).all():
        return []
    doubled = frame.duplicated(list(rows.identity) or None)
    if doubled.any():
        first_s = frame.loc[doubled, "t_s"].iloc[0]
        gaps.append(f"{doubled.sum()} rows are there twice, the first at t_s {first_s:.3f}")
    before = t_s.groupby(frame[rows.ordered_within]) if rows.ordered_within else t_s
    back = t_s < before.shift() - rows.slack_s
    if back.any():
        first_s = frame.loc[back, "t_s"].iloc[0]
        gaps.append(f"time goes back in {back.sum()} rows, the first at t_s {first_s:.3f}")
    return gaps


def _has_all_cells(lines: bytes, cells: int) -> list[bool]:
    """Return of each line but the first whether it has as many cells; of one with quotes, whether it has fewer."""
    return [
        (commas := line.count(b",")) == cells - 1 or (commas >= cells and b'"' in line)
        for line in lines.split(b"\n")[1:]
    ]


def _number(cell: str) -> float:
    return float(cell) if NUMBER.fullmatch(cell) else float("nan")
