"""A run directory as data: phases, arms, their lives, samples and requests."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.recording.accounting import account_arm, account_processes
from analysis.recording.as_written import Columns
from analysis.recording.csv_table import CsvTable, Rows, read_table
from analysis.recording.events import (
    end_at_last_readings,
    find_incremental_collector,
    find_lives,
    find_notes,
    find_phases,
    find_unclaimed_kills,
    find_unsampled,
)
from analysis.recording.gauges import GAUGES_COLUMN, SCHEMA_1_COLUMNS, SCHEMA_1_OBJECT, spread_gauges
from analysis.recording.heap_files import HeapFiles, read_heap_files
from analysis.recording.latency import Latency, read_latency
from analysis.recording.manifest import Manifest, read_manifest
from analysis.recording.model import Arm, Gap, Life, Phase, Recording, chosen, last_load
from analysis.recording.pending_tasks import with_pending_tasks
from analysis.recording.process_sum import as_one, overlap
from analysis.recording.replay import ReplayFiles, read_replay
from analysis.recording.requests import uncounted
from analysis.recording.sent_by_name import SENT_COLUMN, SentByName, taken_out
from soak.contract import (
    CONTROL_ROLE,
    EVENTS,
    FAILURE_KINDS,
    LATENCY_LOG,
    POINT,
    REPLAY,
    REQUEST_COLUMNS,
    REQUESTS,
    RUNGS,
    SAMPLE_COLUMNS,
    SAMPLES,
    SITES,
    SUMS,
)
from soak.contract.hashes import EXTRA, NO_HASHES, UNLISTED, HashCheck, check

SAMPLE_NUMBERS = tuple(column.name for column in SAMPLE_COLUMNS if column.kind == "number")
SAMPLE_TEXTS = ("phase", "rung", "allocator", "foreign_allocators")
_OPTIONAL = frozenset(column.name for column in SAMPLE_COLUMNS if column.optional)
CHECKED_ONLY = frozenset(
    (
        "file_bytes",
        "gc_gen2_collections",
        "gc_uncollectable",
        "loop_lag_ms",
        "metrics_ms",
        "pss_bytes",
        "sessions_alive",
    )
)
"""Columns of samples.csv that nothing here judges or shows: of days of rows they are a sixth of the memory."""
REQUEST_NUMBERS = (
    "t_s",
    "planned",
    "sent",
    "missed",
    "ok",
    *(f"failed_{kind}" for kind in FAILURE_KINDS),
    "latency_p50_ms",
    "latency_p99_ms",
    "opened",
    "messages_sent",
    "messages_received",
)
REQUEST_TEXTS = ("phase",)
_OPTIONAL_OF_REQUESTS = frozenset(column.name for column in REQUEST_COLUMNS if column.optional)
EVENT_NUMBERS = ("t_s", "life", "pid")
EVENT_TEXTS = ("event", "arm", "by", "detail")
SAMPLE_ROWS = Rows(("t_s", "life", "rung"), ordered_within="rung")
REQUEST_ROWS = Rows(("t_s",))
EVENT_ROWS = Rows(slack_s=1.0)
"""Threads wrote events to one file without a lock in earlier versions."""
MOST_HEAP_BYTES = 31 << 20
"""Size of an array that is made and freed before rows are read: from then on, glibc's malloc takes what is no larger
from its heap, and gives nothing back before twice as much is free. Else each block's memory is new, and a page fault
for each 4 KiB of it takes a tenth of the time."""


@dataclass(frozen=True, slots=True)
class ArmTables:
    """The tables of an arm, read."""

    samples: CsvTable
    """Each gauge is a column of its own."""
    requests: CsvTable
    heap: HeapFiles
    replay: ReplayFiles = field(default_factory=ReplayFiles)
    sent: SentByName = field(default_factory=SentByName)


def read_recording(run_dir: Path, *, whole: bool = True) -> Recording:
    """Read a run directory; hashes, histograms of the latencies and heap files, which take longest, only if ``whole``.

    Raises RecordingError when it is missing, has no readable manifest or is of another schema. Any other
    damage is a gap.
    """
    manifest = read_manifest(run_dir)
    events = read_table(run_dir / EVENTS, EVENT_NUMBERS, EVENT_TEXTS, rows=EVENT_ROWS)
    np.empty(MOST_HEAP_BYTES, np.uint8)  # is freed at once
    with ThreadPoolExecutor(1) as pool:
        # Parser and hashes leave the interpreter to each other. The rows are read by this thread: what another
        # one took of the system's memory and freed, malloc keeps for that thread.
        hashes = pool.submit(check, run_dir) if whole else None
        tables = {arm.name: _read_tables(run_dir / arm.name, manifest, whole=whole) for arm in manifest.arms}
        found = hashes.result() if hashes else NO_HASHES
    if any(file.problem == UNLISTED for file in found.files):
        manifest = manifest.model_copy(update={"replay": {}})
    return recording_of(run_dir, manifest, events, tables, found, latencies=whole)


def recording_of(
    run_dir: Path,
    manifest: Manifest,
    events: CsvTable,
    tables: dict[str, ArmTables],
    hashes: HashCheck = NO_HASHES,
    *,
    latencies: bool = False,
) -> Recording:
    """Return the recording that these tables are, those of each arm by its name, which are taken out of ``tables``.

    The histograms of the latencies are read only with ``latencies``.
    """
    read = chain.from_iterable((one.samples.frame, one.requests.frame) for one in tables.values())
    last_s = max((float(rows["t_s"].max()) for rows in (events.frame, *read) if len(rows)), default=0.0)
    phases = find_phases(events.frame, last_s)
    load = last_load(phases)
    arms, gaps = [], [Gap(None, text) for text in events.gaps]
    for arm in manifest.arms:
        files = tables.pop(arm.name)  # so that the rows of one arm at a time are held twice
        samples, requests, heap = files.samples, files.requests, files.heap
        latency = Latency()
        if load and latencies:
            latency = read_latency(run_dir / arm.name / LATENCY_LOG, load.start_s, load.end_s)
        # The load of attached processes is not recorded, so it has no gaps.
        of_load = () if manifest.attached else (*requests.gaps, *latency.gaps)
        gaps += [Gap(arm.name, text) for text in (*samples.gaps, *of_load, *heap.gaps)]
        gaps += find_unsampled(events.frame, arm.name)
        lives = find_lives(events.frame, arm.name, last_s)
        if arm.url:
            lives = end_at_last_readings(lives, samples.frame)
        processes: tuple[Life, ...] = ()
        by_process = pd.DataFrame()
        ready_s = {life.number: math.inf if life.ready_s is None else life.ready_s for life in lives}
        rows = account_processes(with_pending_tasks(samples.frame), ready_s)
        if overlap(rows):
            processes = lives
            by_process = _ready_samples(rows, processes)
            rows, lives = as_one(rows, processes)
        rows = account_arm(rows)
        arms.append(
            Arm(
                name=arm.name,
                role=arm.role,
                limit_bytes=arm.memory_limit_bytes,
                lives=lives,
                samples=_ready_samples(rows, lives),
                ladder=_ladder(rows, load),
                points=_points(rows),
                requests=requests.frame,
                latency=latency,
                notes=find_notes(events.frame, arm.name, manifest.missed_readings.get(arm.name, {}), arm.url),
                processes=processes,
                by_process=by_process,
                heap=heap,
                replay=_recorded_replay(files.replay, arm.name, hashes),
                build=arm.build,
                url=arm.url,
                sent=files.sent,
                incremental_collector=find_incremental_collector(events.frame, arm.name),
                unclaimed_kills=find_unclaimed_kills(events.frame, arm.name),
            )
        )
    early = events.frame.loc[events.frame["event"] == "stopped_early", "detail"]
    stopped_early = str(early.iloc[-1]) if len(early) else ""
    builds = tuple(arm for arm in arms if arm.role != CONTROL_ROLE)
    copy = next((arm for arm in arms if arm.role == CONTROL_ROLE), None)
    return Recording(
        run_dir, manifest, phases, builds, tuple(gaps), copy, hashes, stopped_early=stopped_early
    )


def _recorded_replay(found: ReplayFiles, arm: str, hashes: HashCheck) -> ReplayFiles:
    """Return the replay of an arm, without tables that were added to a recording which has its hashes."""
    added = {file.name for file in hashes.files if file.problem == EXTRA} & {
        f"{arm}/{REPLAY}",
        f"{arm}/{SITES}",
    }
    return (
        ReplayFiles(gaps=tuple(f"{name} is not in {SUMS}: not shown" for name in sorted(added)))
        if added
        else found
    )


def sample_columns(schema_version: int) -> Columns:
    """Return the columns that are read of samples.csv."""
    old = schema_version == 1
    numbers = (*SAMPLE_NUMBERS, *(SCHEMA_1_COLUMNS if old else ()))
    texts = (*SAMPLE_TEXTS, SCHEMA_1_OBJECT if old else GAUGES_COLUMN)
    return Columns(numbers, texts, checked_only=CHECKED_ONLY)


def request_texts(manifest: Manifest) -> tuple[str, ...]:
    """Return the columns of text that are read of requests.csv; the names are needed where the mix rotates."""
    return (*REQUEST_TEXTS, SENT_COLUMN) if manifest.rotates else REQUEST_TEXTS


def _read_tables(arm_dir: Path, manifest: Manifest, *, whole: bool) -> ArmTables:
    """Return the tables of an arm; heap files only if ``whole``."""
    columns = sample_columns(manifest.schema_version)
    requests = read_table(
        arm_dir / REQUESTS,
        REQUEST_NUMBERS,
        request_texts(manifest),
        optional=_OPTIONAL_OF_REQUESTS,
        rows=REQUEST_ROWS,
        arm=arm_dir.name,
    )
    samples = read_table(
        arm_dir / SAMPLES,
        columns.numbers,
        columns.texts,
        optional=_OPTIONAL,
        rows=SAMPLE_ROWS,
        arm=arm_dir.name,
        checked_only=columns.checked_only,
    )
    if len(requests.frame) and not requests.gaps:
        requests = replace(requests, gaps=uncounted(requests.frame))
    samples = replace(samples, frame=spread_gauges(samples.frame))
    sent, rows = taken_out(requests.frame)
    requests = replace(requests, frame=rows)
    if not whole:
        return ArmTables(samples, requests, HeapFiles(), sent=sent)
    return ArmTables(samples, requests, read_heap_files(arm_dir), read_replay(arm_dir), sent)


def _ladder(samples: pd.DataFrame, load: Phase | None) -> pd.DataFrame:
    """Return the rows of the ladder after the last load: a run led by hand climbs down once after each."""
    rungs = samples[samples["rung"].isin(RUNGS) & (samples["t_s"] >= (0.0 if load is None else load.start_s))]
    return rungs.drop_duplicates("rung", keep="last").reset_index(drop=True)


def _points(samples: pd.DataFrame) -> pd.DataFrame:
    return samples[samples["rung"] == POINT].reset_index(drop=True)


def _ready_samples(samples: pd.DataFrame, lives: tuple[Life, ...]) -> pd.DataFrame:
    ready_by_life = {life.number: math.inf if life.ready_s is None else life.ready_s for life in lives}
    # A life that no event names is kept: its rows are all there is.
    ready_s = samples["life"].map(ready_by_life).astype(float).fillna(-math.inf)
    return chosen(samples, (samples["t_s"] >= ready_s) & (samples["rung"] == "")).reset_index(drop=True)
