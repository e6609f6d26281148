"""Writing the files of a report."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from soak.errors import HarnessError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_files(directory: Path, files: Mapping[str, str | Figure]) -> None:
    """Write texts and figures into ``directory``, which is made if needed, each file replaced at once.

    Raises HarnessError when one cannot be written.
    """
    try:
        directory.mkdir(exist_ok=True)
        for name, content in files.items():
            _replace(directory / name, content)
    except OSError as error:
        raise HarnessError(
            f"{directory}: the report cannot be written ({error.strerror or error}); "
            "fix this and run soak report again; the recording is intact."
        ) from None


def _replace(path: Path, content: str | Figure) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        if isinstance(content, Figure):
            content.savefig(partial, format="png")
        else:
            partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def csv_text(row_type: type[DataclassInstance], rows: Iterable[DataclassInstance]) -> str:
    """Return rows as CSV; the fields of ``row_type`` are its columns, None is an empty cell."""
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(row_type)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
