"""Memory recorded by another tool: a table by its columns, or a format that is recognised."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Final

from analysis.external.cells import read_memory, read_times
from analysis.external.logs import read_docker_stats, read_mprof, read_pidstat, read_psrecord
from analysis.external.processes import ProcessReadings, split_processes
from analysis.external.tables import Columns, RecordedCells, read_csv, read_known_csv
from soak.errors import RecordingError
from soak.regular_files import MOST_TABLE_BYTES, read_regular

READERS: Final[tuple[Callable[[Path, str], RecordedCells | None], ...]] = (
    read_psrecord,
    read_known_csv,
    read_mprof,
    read_pidstat,
    read_docker_stats,
)
"""Each returns None for a file that is not its format."""


def read_external(path: Path, columns: Columns | None) -> tuple[ProcessReadings, ...]:
    """Read RSS over time from a file of another tool; without ``columns`` it must be of a format that is known.

    A row without a time is dropped; memory that is not above 0 counts as not read. Raises RecordingError when the file
    cannot be read, has no such columns or a cell that cannot be read, or needs a unit that was not named: in a wrong
    one every leak is small.
    """
    text = _text(path)
    if columns is not None:
        cells = read_csv(path, text, columns)
    else:
        found = (reader(path, text) for reader in READERS)
        known = next((cells for cells in found if cells is not None), None)
        if known is None:
            raise RecordingError(
                f"{path}: not a file of psrecord, mprof, pidstat or docker stats; name its columns: --time-column t "
                "--rss-column rss."
            )
        cells = known
    t_s = read_times(cells.time, cells.time_s, cells.process)
    return split_processes(cells, t_s, read_memory(cells.rss, cells.rss_bytes))


def _text(path: Path) -> str:
    try:
        data = read_regular(path, MOST_TABLE_BYTES, follow=True)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror or error}); name a file.") from None
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf_16 else "utf-8-sig", errors="replace")
    if not text.strip():
        raise RecordingError(f"{path}: the file is empty; name one that holds memory over time.")
    return text
