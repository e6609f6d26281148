"""Writing the files of a report."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from matplotlib.figure import Figure

from soak.errors import HarnessError
from soak.regular_files import replace_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMULA: Final = re.compile(r"[=+\-@\t\r]")
"""How a cell begins that a spreadsheet calculates: a target chooses the names and lines of code in a report."""
AMOUNTS: Final = re.compile(r"[+-]\d[\d,.]*[A-Za-z/% ]*(?: [+-]?\d[\d,.]*[A-Za-z/% ]*)?")
"""A number or an interval, with a unit or without: ``-74%``, ``-12 B to 61 B``."""


def write_files(
    directory: Path,
    files: Mapping[str, str | Figure | None],
    command: str = "soak report",
    *,
    kept: str = "; the recording is intact",
) -> None:
    """Write texts and figures into ``directory``, which is made if needed, each file replaced at once.

    A file that is None is removed: what an earlier report wrote there is no longer true. Nothing is written through a
    link. Raises HarnessError when a file cannot be written; it names the ``command`` to repeat and what is ``kept``.
    """
    if directory.is_symlink():
        raise HarnessError(
            f"{directory}: it is a link, and nothing is written through one; remove it and run {command} again."
        )
    try:
        directory.mkdir(exist_ok=True)
        for name, content in files.items():
            if content is None:
                (directory / name).unlink(missing_ok=True)
            else:
                replace_file(directory / name, _bytes(content))
    except OSError as error:
        raise HarnessError(
            f"{directory}: the report cannot be written ({error.strerror or error}); "
            f"fix this and run {command} again{kept}."
        ) from None


def _bytes(content: str | Figure) -> bytes:
    if isinstance(content, str):
        return content.encode(errors="backslashreplace")  # names of files may be no text
    picture = BytesIO()
    content.savefig(picture, format="png")
    return picture.getvalue()


def csv_text(row_type: type[DataclassInstance], rows: Iterable[DataclassInstance]) -> str:
    """Return rows as CSV; the fields of ``row_type`` are its columns, None is an empty cell.

    A text that a spreadsheet would take for a formula begins with an apostrophe, by which it takes it for a text.
    """
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(row_type)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in asdict(row).items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    is_formula = isinstance(value, str) and FORMULA.match(value) and not AMOUNTS.fullmatch(value)
    return f"'{value}" if is_formula else value
