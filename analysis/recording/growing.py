"""A recording that still grows: its new rows are read once, and what is kept of the old ones is bounded.

The rows are put into groups of consecutive moments, 1, 2, 4, ... to a group as the recording gets longer, and of each
group a few moments are kept whole. Two old groups become one for each new group, so that what is kept takes the same
memory at every hour. It follows from the rows alone, however often they were looked at, and is a recording as of a run
that sampled less often.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.recording.as_written import (
    Columns,
    UnreadableError,
    rows_as_written,
    whole_lines,
)
from analysis.recording.csv_table import CsvTable, read_damaged
from analysis.recording.gauges import spread_gauges
from analysis.recording.heap_files import (
    CONTAINER_NUMBERS,
    CONTAINER_TEXTS,
    HOLDER_NUMBERS,
    HOLDER_TEXTS,
    HeapFiles,
)
from analysis.recording.manifest import Manifest, read_manifest
from analysis.recording.model import Recording
from analysis.recording.read import (
    EVENT_NUMBERS,
    EVENT_TEXTS,
    REQUEST_NUMBERS,
    REQUEST_TEXTS,
    ArmTables,
    recording_of,
    request_texts,
    sample_columns,
)
from analysis.recording.sent_by_name import SentByName, taken_out
from soak.contract import CONTAINERS, EVENTS, HOLDERS, POINT, REQUESTS, SAMPLES
from soak.regular_files import MOST_TABLE_BYTES, open_regular

PART_BYTES: Final = 8 << 20
"""Bytes of new rows that are parsed at a time, and of the longest row."""
MOST_GROUPS: Final = 1024
"""Groups of an arm's ticks, and of its seconds of requests, at most: ten to each bin of the judge."""
MOST_POINT_GROUPS: Final = 512
"""Groups of an arm's quiesce points, at most: five to each bin of the judge."""
MOST_CENSUS_GROUPS: Final = 128
"""Groups of the censuses of an arm, over all its processes, at most; growth is sought in twelve steps."""
MOST_ANSWERS: Final = 16
"""Answers of the probe about one container that are kept, the newest."""

Keep = Callable[[pd.DataFrame, npt.NDArray[np.int64]], pd.DataFrame]
"""Takes rows and the number of the group of each, and returns the rows that stand for the groups."""


class Tail:
    """Reads the rows that were appended to a table since the last time; a line without its end is left for the next."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path, self._columns = path, columns
        self._head = b""
        self._offset = 0

    def new_rows(self) -> list[pd.DataFrame]:
        """Return the new rows in parts of at most PART_BYTES; none where the file is not there, or not readable."""
        parts = []
        try:
            with open_regular(self._path, MOST_TABLE_BYTES) as file:
                if not self._head:
                    head = file.readline(PART_BYTES)
                    if not head.endswith(b"\n"):
                        return []
                    self._head, self._offset = head, len(head)
                file.seek(self._offset)
                while lines := whole_lines(file, PART_BYTES):
                    self._offset += len(lines)
                    parts.append(self._rows(lines))
        except OSError:  # not there yet, or out of descriptors: a later look may succeed
            pass
        return parts

    def _rows(self, lines: bytes) -> pd.DataFrame:
        """Return the rows in whole lines; of damaged ones those that can be read."""
        try:
            rows = rows_as_written(self._head, lines, self._columns)
            return read_damaged(self._head + lines, self._columns).frame if rows is None else rows
        except UnreadableError:
            return self._columns.no_rows()


class Thinned:
    """Rows in groups of consecutive moments, which grow so that there are ``most``, an even number, of them at most.

    ``keep`` must give the same for rows as for those that it kept of their parts. With ``by_life`` the groups of one
    life hold nothing of another's.
    """

    def __init__(self, most: int, keep: Keep, *, by_life: bool = False) -> None:
        self._most, self._keep, self._by_life = most, keep, by_life
        self._rows = pd.DataFrame()
        self._newest: dict[float, tuple[float, int]] = {}
        """The newest moment, its ``t_s`` and its number, of each life or of all."""
        self.moments = 0

    def groups_of(self, moment: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the first moment of the group of each moment, by how many there are by now.

        With ``most`` groups of w moments the next have 2 w, and for each of them the oldest two of w become one.
        """
        narrow = 1 << max(0, (self.moments - 1) // self._most).bit_length() >> 1
        if not narrow:
            return moment
        wide, full = 2 * narrow, narrow * self._most
        merged = wide * -((full - self.moments) // wide)
        return np.where(
            (merged <= moment) & (moment < full), moment // narrow * narrow, moment // wide * wide
        )

    def add(self, rows: pd.DataFrame) -> None:
        """Take rows that follow those before."""
        if rows.empty:
            return
        rows = rows.assign(moment=self._number(rows))
        self._rows = pd.concat([self._rows, rows], ignore_index=True) if len(self._rows) else rows
        if self.is_thinned:
            group = self.groups_of(self._rows["moment"].to_numpy())
            if self._by_life:
                group = group + self._rows["life"].to_numpy(np.int64) * (1 << 40)
            self._rows = _with_equal_texts_once(self._keep(self._rows, group).reset_index(drop=True))

    @property
    def is_thinned(self) -> bool:
        """Whether there were more moments than groups."""
        return self.moments > self._most

    def rows(self) -> pd.DataFrame:
        """Return what is kept, in the order of the file."""
        self._rows = _without_views(self._rows)
        return self._rows.drop(columns="moment", errors="ignore")

    def _number(self, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
        numbers = np.zeros(len(rows), np.int64)
        life = rows["life"].to_numpy() if self._by_life else np.zeros(len(rows))
        for one in np.unique(life):
            mine = life == one
            t_s = rows["t_s"].to_numpy()[mine]
            last_s, last = self._newest.get(one, (np.nan, -1))
            begins = np.diff(t_s, prepend=last_s) != 0  # NaN, before the first of all, is unlike any
            numbers[mine] = last + np.cumsum(begins)
            self._newest[one] = (float(t_s[-1]), int(numbers[mine][-1]))
            self.moments += int(begins.sum())
        return numbers


def _without_views(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table that is kept from look to look, which shares nothing with it.

    pandas keeps a weak reference to each view of a block or an index, dead ones too, up to some hundreds: each look
    takes some, and what is only copied on write is handed down with them.
    """
    copy = table.copy()
    copy.columns, copy.index = pd.Index(list(table.columns)), pd.RangeIndex(len(table))
    return copy


def _with_equal_texts_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose equal texts are one object: the parser makes new ones at each look."""
    texts = {}
    for name in rows.select_dtypes(["str", "object"]):
        place, text = pd.factorize(rows[name], use_na_sentinel=False)
        texts[str(name)] = text.take(place)
    return rows.assign(**texts)


def keep_readings(rows: pd.DataFrame, group: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Keep, whole, each moment that has its group's last reading of any column.

    Columns that are read less often than others keep all their readings but for what one group has more than once.
    """
    return rows[rows["moment"].isin(_with_readings(rows, group))]


def keep_readings_and_peaks(rows: pd.DataFrame, group: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Keep what ``keep_readings`` does, and the moment of each phase with the most memory, resident or charged.

    So the highest memory of the run stays as it is. That of each group would rarely be one that is kept anyway, more
    rarely the longer the groups, so that what is kept would grow for hours.
    """
    kept = _with_readings(rows, group)
    moments = rows.assign(charged=rows["cgroup_bytes"] - rows["cgroup_file_bytes"]).groupby("moment")
    memory = moments.agg({"phase": "first", "rss_bytes": "sum", "charged": "max"})
    for name in ("rss_bytes", "charged"):
        kept |= set(memory[memory[name].notna()].groupby("phase")[name].idxmax())
    return rows[rows["moment"].isin(kept)]


def _with_readings(rows: pd.DataFrame, group: npt.NDArray[np.int64]) -> set[int]:
    """Return the moments that have a group's last reading of a column."""
    readings = rows.drop(columns="moment")
    known = readings.notna().to_numpy() & (readings != "").to_numpy()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    last = np.maximum.reduceat(np.where(known, np.arange(len(rows))[:, None], -1), starts, axis=0)
    return set(rows["moment"].to_numpy()[np.unique(last[last >= 0])])


def keep_sums(rows: pd.DataFrame, group: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Keep one row of each group: its last time, and how many requests were answered in all of them."""
    groups = rows.assign(ok=rows["ok"].fillna(0)).groupby(group)
    summed = groups[["t_s", "moment"]].last().assign(ok=groups["ok"].sum())
    return summed.reindex(columns=rows.columns)


def keep_last(rows: pd.DataFrame, group: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Keep the last moment of each group, whole."""
    return rows[rows["moment"] == rows.groupby(group)["moment"].transform("max")]


def first_gaps(events: pd.DataFrame) -> pd.DataFrame:
    """Return events with the first gap of each arm: a busy machine has some each second; no more are told."""
    return events[(events["event"] != "gap") | ~events.duplicated(["event", "arm"])]


class GrowingArm:
    """The tables of one arm."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        columns = sample_columns(manifest.schema_version)
        self._samples = Tail(directory / SAMPLES, columns)
        self._requests = Tail(directory / REQUESTS, Columns(REQUEST_NUMBERS, request_texts(manifest)))
        self._containers = Tail(directory / CONTAINERS, Columns(CONTAINER_NUMBERS, CONTAINER_TEXTS))
        self._holders = Tail(directory / HOLDERS, Columns(HOLDER_NUMBERS, HOLDER_TEXTS))
        self._of_ticks = Thinned(MOST_GROUPS, keep_readings_and_peaks)
        self._of_points = Thinned(MOST_POINT_GROUPS, keep_readings)
        self._of_requests = Thinned(MOST_GROUPS, keep_sums)
        self._of_censuses = Thinned(MOST_CENSUS_GROUPS, keep_last, by_life=True)
        self._of_rungs, self._at_rungs, self._answers = columns.no_rows(), pd.DataFrame(), pd.DataFrame()
        self._sent = SentByName()
        self._began_s = np.nan
        self._count = 0

    def read(self) -> ArmTables:
        """Read the new rows and return what is kept."""
        self._of_rungs, self._at_rungs, self._answers = map(
            _without_views, (self._of_rungs, self._at_rungs, self._answers)
        )
        for rows in self._samples.new_rows():
            self._add_samples(rows)
        for rows in self._requests.new_rows():
            if np.isnan(self._began_s) and len(rows):
                self._began_s = float(rows["t_s"].iloc[0])
            sent, counts = taken_out(rows)
            self._sent = self._sent.followed_by(sent)
            self._of_requests.add(counts)
        for rows in self._containers.new_rows():
            listed = rows.dropna(subset=["life", "length"])
            loaded = listed["rung"].isin(["", POINT])
            self._of_censuses.add(listed[loaded])
            self._at_rungs = pd.concat([self._at_rungs, listed[~loaded]], ignore_index=True)
        for rows in self._holders.new_rows():
            answers = pd.concat([self._answers, rows.dropna(subset="life")], ignore_index=True)
            self._answers = answers.groupby(["life", "address", "type"]).tail(MOST_ANSWERS)
        samples = self._kept_samples()
        self._sent = self._sent.thinned(samples["t_s"].to_numpy(float))
        containers = [one for one in (self._of_censuses.rows(), self._at_rungs) if len(one)]
        return ArmTables(
            samples=CsvTable(spread_gauges(samples)),
            requests=CsvTable(self._kept_requests()),
            heap=HeapFiles(
                containers=pd.concat(containers, ignore_index=True) if containers else pd.DataFrame(),
                holders=self._answers,
            ),
            sent=self._sent,
        )

    def _add_samples(self, rows: pd.DataFrame) -> None:
        rows = rows.assign(order=np.arange(self._count, self._count + len(rows)))
        self._count += len(rows)
        tick, point = rows["rung"] == "", rows["rung"] == POINT
        self._of_ticks.add(rows[tick])
        self._of_points.add(rows[point])
        self._of_rungs = pd.concat([self._of_rungs, rows[~tick & ~point]], ignore_index=True)

    def _kept_samples(self) -> pd.DataFrame:
        parts = (self._of_ticks.rows(), self._of_points.rows(), self._of_rungs)
        kept = [one for one in parts if len(one)]
        if not kept:
            return self._of_rungs
        rows = pd.concat(kept, ignore_index=True).sort_values("order").drop(columns="order")
        return rows.sort_values("t_s", kind="stable", ignore_index=True)

    def _kept_requests(self) -> pd.DataFrame:
        rows = self._of_requests.rows()
        if not self._of_requests.is_thinned:
            return rows if len(rows) else Columns(REQUEST_NUMBERS, REQUEST_TEXTS).no_rows()
        # Where the first group begins, none had been answered.
        return pd.concat([rows.head(1).assign(t_s=self._began_s - 1, ok=0.0), rows], ignore_index=True)


class GrowingRecording:
    """A run directory while its run goes on."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._events = Tail(run_dir / EVENTS, Columns(EVENT_NUMBERS, EVENT_TEXTS))
        self._known = Columns(EVENT_NUMBERS, EVENT_TEXTS).no_rows()
        self._arms: dict[str, GrowingArm] = {}

    def read(self) -> Recording:
        """Read what is new and return the recording so far, without hashes, latencies and gaps of its files.

        Raises RecordingError as ``read_recording``.
        """
        manifest = read_manifest(self._run_dir)
        known = pd.concat([self._known, *self._events.new_rows()], ignore_index=True)
        self._known = _without_views(first_gaps(known))
        for arm in manifest.arms:
            if arm.name not in self._arms:
                self._arms[arm.name] = GrowingArm(self._run_dir / arm.name, manifest)
        tables = {arm.name: self._arms[arm.name].read() for arm in manifest.arms}
        events = self._known.sort_values("t_s", kind="stable", ignore_index=True)
        return recording_of(self._run_dir, manifest, CsvTable(events), tables)
