"""The readers of files without a CSV header: psrecord, mprof, pidstat and docker stats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from analysis.external.cells import CLOCK, is_time
from analysis.external.tables import RecordedCells
from analysis.formatting import KIB, MIB
from soak.errors import RecordingError

PSRECORD_HEADER: Final = re.compile(r"#\s*Elapsed time\s+CPU \(%\)\s+Real \(MB\)\s+Virtual \(MB\)")
"""The beginning of the first line of ``psrecord --log``. Its MB are 2^20 bytes."""
MPROF_MEMORY: Final = re.compile(r"(?:MEM|CHLD (\S+)) (\S+) (\S+)(?: .*)?")
"""A line of ``mprof run``: MiB and seconds since the epoch; of a child, with ``-M``, also its pid."""
MPROF_START: Final = re.compile(r"CMDLINE\b")
PIDSTAT_HEADER: Final = re.compile(r"#?.*\bPID\b.*\bRSS\s+%MEM\b.*")
DOCKER_HEADER: Final = re.compile(r"(.*?)\b(?:CONTAINER(?: ID)?|NAME)\s+.*\bMEM USAGE(?: / LIMIT)?\b.*")
COLUMN_GAP: Final = re.compile(r"\s{2,}|\t")
TERMINAL_CODE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What ``docker stats`` without ``--no-stream`` writes to clear the screen."""

Row = tuple[int, int, str, str, str]
"""Line, number of starts, process, time and memory."""


def read_psrecord(path: Path, text: str) -> RecordedCells | None:
    """Read ``psrecord --log``, with or without ``--include-io``; None when it is none."""
    if not PSRECORD_HEADER.match(text):
        return None
    rows: list[Row] = []
    start, width = 0, 4
    lines = text.splitlines()
    for line_number, line in enumerate(lines, 1):
        if line.startswith("#"):
            start, width = start + 1, 8 if "Read count" in line else 4
        elif len(cells := line.split()) >= width:
            rows.append((line_number, start, "", cells[0], cells[2]))
        elif cells and line_number < len(lines):  # the last line may have been cut short
            raise RecordingError(
                f"{path}: row {line_number} has {len(cells)} cells, not {width}; correct or remove it."
            )
    return RecordedCells.of(
        path, ("Elapsed time", "Real (MB)"), rows, identified=True, units=(1.0, float(MIB))
    )


def read_mprof(path: Path, text: str) -> RecordedCells | None:
    """Read the file of ``mprof run``, each child of ``--multiprocess`` a process of its own; None when it is none."""
    rows: list[Row] = []
    start = 0
    for line_number, line in enumerate(text.splitlines(), 1):
        start += MPROF_START.match(line) is not None
        if found := MPROF_MEMORY.fullmatch(line.strip()):
            pid, mib, t_s = found.groups()
            rows.append((line_number, start, f"child {pid}" if pid else "main process", t_s, mib))
    if not rows:
        return None
    return RecordedCells.of(path, ("time", "MEM"), rows, identified=start > 0, units=(1.0, float(MIB)))


def read_pidstat(path: Path, text: str) -> RecordedCells | None:
    """Read ``pidstat -r``, with or without ``-h``; None when it is none."""
    rows: list[Row] = []
    at_pid = at_rss = None
    width = 0
    for line_number, line in enumerate(text.splitlines(), 1):
        cells = _with_one_clock(line.removeprefix("#").split())
        if PIDSTAT_HEADER.fullmatch(line.strip()) and {"PID", "RSS"} <= set(cells):
            at_pid, at_rss, width = cells.index("PID"), cells.index("RSS"), len(cells)
        elif at_pid is not None and at_rss is not None and len(cells) >= width and cells[0] != "Average:":
            rows.append((line_number, 0, f"pid {cells[at_pid]}", cells[0], cells[at_rss]))
    if not rows:
        return None
    return RecordedCells.of(path, ("Time", "RSS"), rows, identified=True, units=(1.0, float(KIB)))


def read_docker_stats(path: Path, text: str) -> RecordedCells | None:
    """Read tables of ``docker stats``; None when there are none.

    A table has no times: they are its first column, before every line, or a line before each table, as ``date`` writes
    it. Raises RecordingError where there are none.
    """
    rows: list[Row] = []
    header: list[str] = []
    at_memory = None
    prefix = 0
    now = ""
    for line_number, raw in enumerate(text.splitlines(), 1):
        line = TERMINAL_CODE.sub("", raw).strip()
        if found := DOCKER_HEADER.fullmatch(line):
            prefix = len(found[1].split())
            header = COLUMN_GAP.split(line[found.end(1) :])
            at_memory = next((at for at, title in enumerate(header) if title.startswith("MEM USAGE")), None)
            continue
        words = line.split(maxsplit=prefix)
        cells = COLUMN_GAP.split(words[-1]) if len(words) > prefix else []
        if at_memory is not None and len(cells) >= len(header):
            name = cells[header.index("NAME") if "NAME" in header else 0]
            rows.append((line_number, 0, name, " ".join(words[:prefix]) or now, cells[at_memory]))
        elif is_time(line):
            now = line
    if not rows:
        return None
    if not any(row[3] for row in rows):
        raise RecordingError(
            f"{path}: row {rows[0][0]}: a table of docker stats has no times; write one before each table, for example "
            "while sleep 60; do date +%s; docker stats --no-stream; done."
        )
    return RecordedCells.of(path, ("time", "MEM USAGE"), rows, identified=False, units=(1.0, None))


def _with_one_clock(cells: list[str]) -> list[str]:
    """Return the cells of a line with AM or PM joined to its clock."""
    if len(cells) > 1 and cells[1] in ("AM", "PM") and CLOCK.fullmatch(cells[0]):
        return [f"{cells[0]} {cells[1]}", *cells[2:]]
    return cells
