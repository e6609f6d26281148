"""Memory recorded by another tool: a table by its columns, or a format that is recognised."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from analysis.external.cells import read_memory, read_times
from analysis.external.logs import read_docker_stats, read_mprof, read_pidstat, read_psrecord
from analysis.external.processes import ProcessReadings, split_processes
from analysis.external.tables import Columns, RecordedCells, read_csv, read_known_csv
from analysis.judge.types import Numbers
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

_EXCELS_SEPARATOR: Final = re.compile(r'\A"?sep=."?\r?\n')
"""First line of a CSV for Excel, as Grafana exports it: it names the delimiter."""


def read_external(path: Path, columns: Columns | None) -> tuple[ProcessReadings, ...]:
    """Read RSS over time from a file of another tool; without ``columns`` it must be of a format that is known.

    A row without a time is dropped; memory that is not above 0 counts as not read. Rows from the newest to the oldest,
    as Grafana exports them, are turned round. Raises RecordingError when the file cannot be read, has no such columns
    or a cell that cannot be read, or needs a unit that was not named: in a wrong one every leak is small.
    """
    text = _EXCELS_SEPARATOR.sub("\n", _text(path))
    if text.lstrip().startswith(("{", "[")):
        raise RecordingError(
            f"{path}: JSON is not read: export the memory as CSV, or judge it where it is: soak judge --prometheus URL."
        )
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
    if len(set(cells.start)) < 2 and _newest_first(t_s):
        cells = cells.reversed()
        t_s = read_times(cells.time, cells.time_s, cells.process)
    return split_processes(cells, t_s, read_memory(cells.rss, cells.rss_bytes))


def _newest_first(t_s: Numbers) -> bool:
    """Return whether times never rise, and fall: one that is set back rises before and after."""
    steps = np.diff(t_s[np.isfinite(t_s)])
    return bool((steps <= 0).all() and (steps < 0).any())


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
