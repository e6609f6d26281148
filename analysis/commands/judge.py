"""``soak judge``: verdicts on a recording or on another tool's file, without figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from analysis.commands.answer import answer
from analysis.commands.live import follow as follow_run
from analysis.external.files import Columns, count_drops, read_external
from analysis.judge.types import INCONCLUSIVE, NO_LEAK, Margin
from analysis.recording.read import read_recording
from analysis.report.terminal.tables import outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.verdict.arm import series_verdict
from analysis.verdict.gates import leak_gate
from analysis.verdict.run import judged_run
from analysis.verdict.signoff import sign_off
from analysis.verdict.wording import verdict_line
from soak.contract.units import (
    DEFAULT_MAX_LEAK,
    parse_duration,
    parse_leak_rate,
    parse_limit_option,
    parse_option,
    parse_size,
)
from soak.errors import UsageError

MANY_FALLS = 2
"""Number of falls from which on a file looks like restarts; one may be anything."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The printed verdicts and the exit code."""

    text: str
    exit_code: int


def command(
    path: Annotated[
        Path, typer.Argument(help="A run directory, or another tool's file of memory over time.")
    ],
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", metavar="", help="Re-evaluate a running soak periodically and write live.json."
        ),
    ] = False,
    time_column: Annotated[
        str, typer.Option(metavar="NAME", help="CSV column of time: numbers or ISO 8601.")
    ] = "",
    rss_column: Annotated[str, typer.Option(metavar="NAME", help="CSV column of memory.")] = "",
    life_column: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="CSV column that identifies the process, e.g. pid (default: one process)."
        ),
    ] = "",
    time_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Unit of --time-column: ms, s, min, h or d (default: s)."),
    ] = None,
    rss_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Unit of --rss-column: B, kB, KiB, MB, ... (default: B)."),
    ] = None,
    max_leak: Annotated[
        str, typer.Option(metavar="LEAK", help="Leak margin for file input, e.g. 1 MiB/h.")
    ] = DEFAULT_MAX_LEAK.text,
    limit: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Memory limit for file input, e.g. 2 GiB: gives the time to OOM."),
    ] = "",
) -> None:
    """Print verdict and gates of a run, or judge another tool's recording of memory; no report is written.

    Files of psrecord (--log) and mprof are recognised; for a CSV, name the columns.

    Exit codes: 0 signed off or no leak, 2 usage, 3 a gate failed or a leak, 4 inconclusive or refused.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or run directory.")
    if path.is_dir():
        if follow:
            follow_run(path)
            return
        answer(judge_run(path))
    if follow:
        raise UsageError(f"{path}: --follow needs a run directory.")
    margin = parse_option("--max-leak", max_leak, parse_leak_rate)
    if margin.per_s is None:
        raise UsageError("--max-leak: a file has no requests; give a leak per time, for example 1 MiB/h.")
    columns = _columns((time_column, rss_column, life_column), time_unit, rss_unit)
    answer(judge_file(path, columns, Margin(per_s=margin.per_s), parse_limit_option(limit)))


def _columns(names: tuple[str, str, str], time_unit: str | None, rss_unit: str | None) -> Columns | None:
    """Return the columns of a CSV and their units; None for the formats that are known. Raises UsageError."""
    time, rss, life = names
    if bool(time) != bool(rss):
        raise UsageError("Give both --time-column and --rss-column.")
    if not time:
        if (time_unit, rss_unit, life) != (None, None, ""):
            raise UsageError(
                "--time-unit, --rss-unit, --life-column: only for a CSV; name its columns with --time-column and "
                "--rss-column."
            )
        return None
    time_s = None if time_unit is None else parse_option("--time-unit", f"1 {time_unit}", parse_duration)
    rss_bytes = None if rss_unit is None else parse_option("--rss-unit", f"1 {rss_unit}", parse_size)
    return Columns(time, rss, time_s, rss_bytes, life)


def judge_run(run_dir: Path) -> Verdicts:
    """Judge a recording; raises RecordingError when it cannot be read."""
    recording = read_recording(run_dir)
    judged = judged_run(recording)
    end = outcome(judged.reasons, attached=recording.manifest.attached)
    return Verdicts(render([*judged_parts(judged), *end]), judged.signoff.exit_code)


def judge_file(path: Path, columns: Columns | None, margin: Margin, limit_bytes: float | None) -> Verdicts:
    """Judge the RSS in a file of another tool; raises RecordingError when it cannot be read.

    Restarts that are taken for one process look like a sawtooth without growth, so such a file is never NO LEAK.
    """
    readings = read_external(path, columns)
    verdict = series_verdict(path.name, readings, margin, limit_bytes)
    if verdict.verdict == NO_LEAK and (falls := count_drops(readings)) >= MANY_FALLS:
        reason = (
            f"its memory fell by more than half {falls} times, as it does when a process is started again, and that "
            "hides a leak: name the column that identifies the process by --life-column"
        )
        verdict = replace(verdict, verdict=INCONCLUSIVE, reason=reason)
    signoff = sign_off(path.name, "", (leak_gate(verdict),), (verdict,), ())
    return Verdicts(render([Text(verdict_line(verdict))]), signoff.exit_code)
