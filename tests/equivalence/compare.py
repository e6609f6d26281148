"""Differences between two directories of reports, by number where there are numbers, and which of them are allowed."""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, TypeGuard

from soak.errors import UsageError

RELATIVE: Final = 1e-9
"""Two floats that differ by less of the larger are the same number."""
MISSING: Final = "missing"
ROWS: Final = "rows"
"""The path of a CSV's number of rows."""
LONGEST: Final = 300
"""Characters of a value that are printed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same in both reports."""

    file: str
    path: str
    """In JSON keys and places in lists with dots between, of a CSV the column, of other files empty."""
    before: str
    after: str
    row: int | None = None
    """Of a CSV, from 1 below its header."""

    @property
    def text(self) -> str:
        """The line to print."""
        where = f"{self.file}: {self.path}" if self.path else self.file
        row = "" if self.row is None else f", row {self.row}"
        return f"{where}{row}: {_short(self.before)} -> {_short(self.after)}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Differences that are meant: those whose file and path both globs match."""

    part: int
    """The part of the change that makes them."""
    file: str
    path: str
    why: str

    def covers(self, difference: Difference) -> bool:
        """Whether it allows this one."""
        return fnmatchcase(difference.file, self.file) and fnmatchcase(difference.path, self.path)

    @property
    def text(self) -> str:
        """The line to print."""
        return f'part {self.part}, file "{self.file}", path "{self.path}": {self.why}'


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two directories differ in."""

    files: int
    """How many were compared by their content."""
    unexpected: tuple[Difference, ...]
    """Not allowed."""
    expected: tuple[Difference, ...]
    used: tuple[Allowed, ...]
    unused: tuple[Allowed, ...]


def compare(before: Path, after: Path, allowed: Sequence[Allowed]) -> Comparison:
    """Compare two directories of reports that were made of the same recordings.

    Values in JSON and CSV and exit codes are compared; of all other files only that they are there. Raises UsageError
    for a directory that is missing or has nothing to compare, and for a file that cannot be read.
    """
    names = sorted(_files(before) | _files(after))
    found = [difference for name in names for difference in _compare_files(before, after, name)]
    used = tuple(entry for entry in allowed if any(entry.covers(one) for one in found))
    expected = tuple(one for one in found if any(entry.covers(one) for entry in used))
    files = sum(_is_compared(name) for name in names)
    if not files:
        raise UsageError(f"{before}, {after}: no JSON, CSV or exit code to compare.")
    return Comparison(
        files=files,
        unexpected=tuple(one for one in found if one not in expected),
        expected=expected,
        used=used,
        unused=tuple(entry for entry in allowed if entry not in used),
    )


def read_allowed(path: Path) -> tuple[Allowed, ...]:
    """Read a list of allowed differences; raises UsageError for one that is not as it must be."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}).") from None
    if unknown := table.keys() - {"allowed"}:
        raise UsageError(f"{path}: unknown key '{min(unknown)}'; write [[allowed]] above each entry.")
    return tuple(_allowed(path, number, entry) for number, entry in enumerate(table.get("allowed", ()), 1))


def _allowed(path: Path, number: int, entry: Any) -> Allowed:
    names = [field.name for field in fields(Allowed)]
    if not isinstance(entry, dict) or entry.keys() != set(names):
        raise UsageError(f"{path}: entry {number} must have {', '.join(names)}, and nothing else.")
    found = Allowed(**entry)
    texts = (found.file, found.path, found.why)
    if type(found.part) is not int or not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{path}: entry {number}: part is a whole number, the others are texts.")
    if not found.why.strip():
        raise UsageError(f"{path}: entry {number}: say why.")
    return found


def _files(directory: Path) -> set[str]:
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory.")
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def _is_exit_code(name: str) -> bool:
    return name.endswith("exit_code")


def _is_compared(name: str) -> bool:
    return name.endswith((".json", ".csv")) or _is_exit_code(name)


def _compare_files(before: Path, after: Path, name: str) -> Iterator[Difference]:
    first, second = before / name, after / name
    if not (first.is_file() and second.is_file()):
        yield Difference(name, "", _there(first.is_file()), _there(second.is_file()))
    elif name.endswith(".json"):
        yield from _compare_values(name, "", _read_json(first), _read_json(second))
    elif name.endswith(".csv"):
        yield from _compare_tables(name, _read_csv(first), _read_csv(second))
    elif _is_exit_code(name):
        codes = first.read_text(encoding="utf-8").strip(), second.read_text(encoding="utf-8").strip()
        if codes[0] != codes[1]:
            yield Difference(name, "", codes[0], codes[1])


def _there(there: bool) -> str:
    return "there" if there else MISSING


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no JSON ({error}).") from None


def _compare_values(file: str, path: str, before: Any, after: Any) -> Iterator[Difference]:
    """Compare two values from JSON; what is in one only differs as a whole."""
    first, second = _parts(before), _parts(after)
    if first is None or second is None or type(before) is not type(after):
        if not _is_same(before, after):
            yield Difference(file, path, json.dumps(before), json.dumps(after))
        return
    for key in dict.fromkeys((*first, *second)):
        place = f"{path}.{key}" if path else key
        if key in first and key in second:
            yield from _compare_values(file, place, first[key], second[key])
        else:
            yield Difference(file, place, _shown(first, key), _shown(second, key))


def _parts(value: Any) -> dict[str, Any] | None:
    """Return what is in an object or a list by its key or place, None for a value without parts."""
    if isinstance(value, dict):
        return value
    return {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else None


def _shown(parts: dict[str, Any], key: str) -> str:
    return json.dumps(parts[key]) if key in parts else MISSING


def _is_same(before: Any, after: Any) -> bool:
    if _is_number(before) and _is_number(after):
        if isinstance(before, int) and isinstance(after, int):
            return before == after
        return math.isclose(before, after, rel_tol=RELATIVE) or (math.isnan(before) and math.isnan(after))
    return type(before) is type(after) and bool(before == after)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class _Table:
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def _read_csv(path: Path) -> _Table:
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        columns = tuple(next(lines, ()))
        if len(set(columns)) < len(columns):
            raise UsageError(f"{path}: two columns have the same name.")
        try:
            return _Table(columns, tuple(dict(zip(columns, line, strict=True)) for line in lines))
        except (ValueError, csv.Error) as error:
            raise UsageError(f"{path}: line {lines.line_num} is no row of the table ({error}).") from None


def _compare_tables(file: str, before: _Table, after: _Table) -> Iterator[Difference]:
    """Compare two tables cell by cell; the order of their columns is free."""
    for column in dict.fromkeys((*before.columns, *after.columns)):
        if column not in before.columns or column not in after.columns:
            yield Difference(file, column, _there(column in before.columns), _there(column in after.columns))
    if len(before.rows) != len(after.rows):
        yield Difference(file, ROWS, str(len(before.rows)), str(len(after.rows)))
    for row, (first, second) in enumerate(zip(before.rows, after.rows, strict=False), 1):
        for column in (name for name in first if name in second):
            if not _is_same(_cell(first[column]), _cell(second[column])):
                yield Difference(file, column, first[column], second[column], row)


def _cell(text: str) -> int | float | str:
    """Return the number that a cell holds, else its text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
