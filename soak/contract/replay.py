"""The replay of a leaking arm: its files in the run directory, and what the target leaves for the analysis.

After the verdict an arm that leaks lives once more for each *pass*, and gets the same requests. It is instrumented from
the moment it is ready, before the first request: what it has allocated until then is at no point.
At each *point* (drained, collected) what is live is kept; the analysis regresses it on the requests sent before.

    <arm>/replay.csv     a row per point of each pass
    <arm>/sites.csv      where what is retained was allocated, a row per site of each pass
    manifest.json        key "replay": an ArmReplay for each arm that was replayed or refused, by name
    RAW/point-<n>.<k>.traces
                         at point n of the k-th process of the arm, marshalled: the list of
                         _tracemalloc._get_traces(), whose items are (domain, bytes, ((file, line), ...) from the
                         innermost frame on, frames in all); a point is all its processes together
                         of a native pass the JSON object that soak_probe.native.Native.point describes: how the
                         process's capture is read, and the instant
    RAW/capture-<pid>.bin
                         the capture of a process in a native pass, from its start to the last point

RAW is a private directory outside the run directory, and is gone after the analysis, which is started as ``python -P -m
analysis sites RUN ARM --raw RAW --pass PASS --root ROOT`` while the arm still lives: ROOT is ``/proc/PID/root`` of it,
where its source files are, or missing where it has died. It writes sites.csv beside replay.csv; where it
refuses it exits with 1 and one line on the standard error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from soak.contract.columns import Column
from soak.regular_files import parse_json, read_regular

REPLAY: Final = "replay.csv"
"""Name of the table of points."""
SITES: Final = "sites.csv"
"""Name of the table of sites."""
BY_TRACEMALLOC: Final = "python"
"""The pass by tracemalloc."""
BY_MEMRAY: Final = "native"
"""The pass by memray."""
PASSES: Final = (BY_TRACEMALLOC, BY_MEMRAY)
"""Passes of a replay."""
MIN_REPLAY_POINTS: Final = 4
"""Points of a pass from which on its sites are found."""
MOST_REPLAY_POINTS: Final = 12
"""Most points of a pass."""
MIN_POINT_REQUESTS: Final = 60
"""Requests between two points of a pass at the least."""
MOST_PROCESSES: Final = 64
"""Processes of an arm that are traced at most."""
MOST_TRACES: Final = 3_000_000
"""Live allocations of a point from which on it is the last of its pass: of 8 frames they take 0.5 GB to read."""
MOST_CAPTURE_BYTES: Final = 128 << 20
"""Size of the capture of a process at which it ends, bytes; reading it takes about 20 s."""

REPLAY_COLUMNS: Final = (
    Column("pass", "python: traced by tracemalloc; native: by memray", "text"),
    Column("point", "number of the point in its pass, from 0"),
    Column("t_s", "seconds since the start of the pass's life"),
    Column("requests", "requests sent before the point, of which 5% at most failed"),
    Column("answered_by_name", "those by name of the request", "json"),
    Column("traces", "live allocations traced"),
    Column("traced_bytes", "bytes of those"),
)
"""Columns of replay.csv."""

SITE_COLUMNS: Final = (
    Column("pass", "the pass that found it", "text"),
    Column(
        "rank", "1 for the largest site of the line of yours, or task, that retains most in all its sites"
    ),
    Column("your_line", "innermost frame outside the standard library and packages, as file:line", "text"),
    Column("source", "text of that line; empty: the file is gone, changed or no text", "text"),
    Column("in_line", "innermost frame of a package below it; empty: it allocates itself", "text"),
    Column("allocated_line", "the frame that allocates", "text"),
    Column("task", "the asyncio task's coroutine, where tasks are what is retained", "text"),
    Column("function", "the native function that allocates; of a native pass", "text"),
    Column("bytes_per_request", "bytes retained per request"),
    Column("low", "lower end of its confidence interval"),
    Column("high", "upper end of its confidence interval"),
    Column("blocks_per_request", "blocks retained per request"),
    Column("share", "part of the arm's leak per request, 1 for all"),
    Column("endpoint", "name of the request that it follows; empty: of none alone, or not known", "text"),
    Column("frames", "the traceback, innermost first, separated by ' < '", "text"),
)
"""Columns of sites.csv. A site of few large blocks has no interval and its count in blocks_per_request."""


def traces_file(raw: Path, point: int, process: int) -> Path:
    """Return the file of a process's traces at a point, both counted from 0."""
    return raw / f"point-{point}.{process}.traces"


MOST_REASON: Final = 2_000
"""Characters of an ArmReplay's reason."""


@dataclass(frozen=True, slots=True)
class ArmReplay:
    """What a replay of an arm came to."""

    status: Literal["done", "refused", "interrupted"]
    reason: str
    """Why it was refused or ended early; empty: done."""
    seconds: float = 0.0
    """Duration of all its passes."""
    requests: int = 0
    """Requests answered in all its passes."""
    passes: tuple[str, ...] = ()
    """Passes with enough points."""


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the text of a manifest, which is the same for the same facts."""
    return json.dumps(manifest, indent=1) + "\n"


def without_replay(path: Path) -> frozenset[str]:
    """Return the hashes that a manifest may have had before its replay; none of any other file.

    Then it had no facts of a replay, or in the directory of ``soak replay`` an empty object. Whoever reads the manifest
    leaves them out: what it is taken for is then what was hashed, whatever else was put there.
    """
    try:
        text = read_regular(path).decode()
        manifest = dict(parse_json(text))
    except (OSError, ValueError, TypeError):
        return frozenset()
    if "replay" not in manifest or text != manifest_text(manifest):
        return frozenset()
    earlier = (
        {**manifest, "replay": {}},
        {name: fact for name, fact in manifest.items() if name != "replay"},
    )
    return frozenset(hashlib.sha256(manifest_text(one).encode()).hexdigest() for one in earlier)
