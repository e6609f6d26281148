"""Writes the files of a replay: replay.csv, the raw traces of its points, and sites.csv."""

from __future__ import annotations

import csv
import json
import marshal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from analysis.recording.replay import Site, sites_csv
from soak.contract import REPLAY, REPLAY_COLUMNS, SITES, names, traces_file

Leaks = Mapping[tuple[tuple[str, int], ...], tuple[int, float]]
"""By traceback: bytes of a block, and blocks per request."""
EACH: Final = 400
"""Requests between two points."""

SITE: Final = Site(
    of_pass="python",
    rank=1,
    your_line="gateway/app.py:130",
    source="history.append(await answer.read())",
    in_line="aiohttp/client_reqrep.py:1107",
    allocated_line="aiohttp/streams.py:450",
    task="",
    function="",
    bytes_per_request=15_176.0,
    low=15_100.0,
    high=15_250.0,
    blocks_per_request=1.0,
    share=0.88,
    endpoint="",
    frames="aiohttp/streams.py:450 < gateway/app.py:130",
)


def write_points(arm_dir: Path, requests: Sequence[int], by_name: Iterable[Mapping[str, int]] = ()) -> None:
    """Write replay.csv of a Python pass, a point after so many requests each; ``by_name`` those by name."""
    counts = [*by_name] or [{} for _ in requests]
    with (arm_dir / REPLAY).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names(REPLAY_COLUMNS))
        for number, (count, named) in enumerate(zip(requests, counts, strict=True)):
            writer.writerow(("python", number, 2.5 * number, count, json.dumps(named), 1_000, 90_000))


def write_traces(raw: Path, requests: Sequence[int], leaks: Leaks) -> None:
    """Write the raw traces of points after so many requests each."""
    for point, count in enumerate(requests):
        traces: list[Any] = []
        for frames, (size, each) in leaks.items():
            traces += [(0, size, frames, len(frames))] * (20 + round(each * count))
        traces_file(raw, point, 0).write_bytes(marshal.dumps(traces))


def write_sites(arm_dir: Path, sites: Iterable[Site]) -> None:
    """Write sites.csv."""
    (arm_dir / SITES).write_text(sites_csv(tuple(sites)))


def add_replay(run_dir: Path, arm: str, **replay: object) -> None:
    """Add the replay of an arm to the manifest: done in 12 s, or as ``replay`` states."""
    path = run_dir / "manifest.json"
    content = json.loads(path.read_text())
    done = {"status": "done", "reason": "", "seconds": 12.0, "requests": 4_800, "passes": ["python"]}
    content.setdefault("replay", {})[arm] = done | replay
    path.write_text(json.dumps(content))
