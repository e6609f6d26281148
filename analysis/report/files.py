"""Writing the files of a report."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from soak.errors import HarnessError
from soak.regular_files import replace_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_files(
    directory: Path,
    files: Mapping[str, str | Figure | None],
    command: str = "soak report",
    *,
    kept: str = "; the recording is intact",
) -> None:
    """Write texts and figures into ``directory``, which is made if needed, each file replaced at once.

    A file that is None is removed: what an earlier report wrote there is no longer true. Nothing is written through a
    link. Raises HarnessError, which names the ``command`` to repeat and what is ``kept``, when a file cannot be written.
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
    """Return rows as CSV; the fields of ``row_type`` are its columns, None is an empty cell."""
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(row_type)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
