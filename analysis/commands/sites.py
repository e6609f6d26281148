"""``python -m analysis sites``: where what an arm retains was allocated, by the points of a pass of its replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from analysis.growth.classify import PENDING_TASKS
from analysis.growth.from_signals import kind_of_tasks, memory_growth
from analysis.judge.types import Numbers
from analysis.recording.model import Recording
from analysis.recording.read import read_recording
from analysis.recording.replay import Point, read_replay, sites_csv
from analysis.sites.found import why_no_leak
from analysis.sites.naming import Namer
from analysis.sites.native.groups import read_native_groups
from analysis.sites.regression import find_sites
from analysis.sites.rows import merged, site_rows
from analysis.sites.sources import Sources
from analysis.sites.traces import read_groups
from analysis.verdict.arm import arm_verdict
from soak.contract import BY_MEMRAY, MIN_REPLAY_POINTS, PASSES, REPLAY, SITES
from soak.errors import HarnessError, UsageError
from soak.regular_files import write_text


def command(
    run: Annotated[Path, typer.Argument()],
    arm: Annotated[str, typer.Argument()],
    raw: Annotated[Path, typer.Option()],
    of_pass: Annotated[str, typer.Option("--pass")] = PASSES[0],
    root: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Write ``sites.csv`` of ARM from the traces in RAW and the points in its replay.csv.

    ROOT is the root directory of the arm while it lives; without it no line has its source. Exit codes: 0 written, 1
    refused, with the reason on the standard error.
    """
    if of_pass not in PASSES:
        raise UsageError(f"--pass {of_pass}: no such pass; there are {', '.join(PASSES)}.")
    recording = read_recording(run, whole=False)
    judged = next((one for one in recording.arms if one.name == arm), None)
    if judged is None:
        raise UsageError(f"{run}: no arm {arm!r} was recorded.")
    directory = run / arm
    before = read_replay(directory)
    points = [point for point in before.points if point.of_pass == of_pass]
    if len(points) < MIN_REPLAY_POINTS:
        raise HarnessError(
            f"{directory / REPLAY}: {len(points)} points of the pass {of_pass}, {MIN_REPLAY_POINTS} are needed."
        )
    verdict = arm_verdict(recording, judged, detectable=False)
    sources = Sources(
        root if root and root.is_dir() else None, _working_directory(root), _newest_s(recording)
    )
    numbers, namer = [point.number for point in points], Namer(sources)
    groups = (
        read_native_groups(raw, numbers, namer, root)
        if of_pass == BY_MEMRAY
        else read_groups(raw, numbers, namer)
    )
    rate, _ = memory_growth(verdict)
    leak = rate.value if rate else None
    tasks_leak = kind_of_tasks(judged, verdict) == PENDING_TASKS
    requests = np.array([point.requests for point in points])
    most = rate.high if rate and not tasks_leak else None
    may_leak = not why_no_leak(verdict)
    sites = find_sites(groups, requests, _by_name(points), leak, most) if may_leak else ()
    rows = site_rows(sites, of_pass, sources, leak, tasks_leak=tasks_leak)
    write_text(directory / SITES, sites_csv(merged(before.sites, rows, of_pass)))


def _working_directory(root: Path | None) -> str:
    """Return the working directory of the target, within ROOT, where that is ``/proc/PID/root``; else ``/``."""
    try:
        return str((root.parent / "cwd").readlink()) if root and root.name == "root" else "/"
    except OSError:
        return "/"


def _newest_s(recording: Recording) -> float:
    """Return the time after which a source file is another one than ran, seconds since 1970."""
    return recording.manifest.started_wall_time.timestamp()


def _by_name(points: list[Point]) -> dict[str, Numbers]:
    """Return the requests answered before each point, by their name."""
    every = {name for point in points for name in point.by_name}
    return {name: np.array([point.by_name.get(name, 0.0) for point in points]) for name in sorted(every)}
