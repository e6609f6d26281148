"""``soak judge``: verdicts on a recording or on another tool's file, without figures."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from analysis.commands.answer import Answer, answer, show
from analysis.commands.live import follow as follow_run
from analysis.commands.together import together
from analysis.external.files import read_external
from analysis.external.processes import ProcessReadings
from analysis.external.span import span_text
from analysis.external.tables import Columns
from analysis.formatting import format_duration
from analysis.growth.arm import find_growth
from analysis.growth.classify import PAST_PYTHON
from analysis.judge.decision import QUARTER_DAY_S
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, ReasonCode, SignalSeries
from analysis.prometheus.words import Words
from analysis.recording.read import read_recording
from analysis.report.terminal.tables import outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.verdict.arm import ArmVerdict, series_verdict
from analysis.verdict.daily_load import DAY_S
from analysis.verdict.decision import FAMILY_ERROR
from analysis.verdict.run import judged_run
from analysis.verdict.signals import RSS
from analysis.verdict.signoff import watched
from analysis.verdict.wording import rate_text, verdict_line
from soak.contract.units import (
    DEFAULT_MAX_LEAK,
    parse_duration,
    parse_leak_per_time,
    parse_limit_option,
    parse_option,
    parse_size,
)
from soak.errors import UsageError
from soak.regular_files import write_text

HALF_DAY_S: Final = 12 * 3600.0
"""Longest time in which the load of a day rises, seconds."""


def command(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A run directory, or another tool's file of memory over time; none with --prometheus."
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", metavar="", help="Re-evaluate a running soak periodically and write live.json."
        ),
    ] = False,
    time_column: Annotated[
        str, typer.Option(metavar="NAME", help="CSV column of time: numbers, ISO 8601 or HH:MM:SS.")
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
        typer.Option(
            metavar="UNIT", help="Unit of --time-column: ms, s, min, h or d (default: its name's, else s)."
        ),
    ] = None,
    rss_unit: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            help="Unit of --rss-column where the cells have none: B, KiB, MB, ... (default: its name's, else B).",
        ),
    ] = None,
    max_leak: Annotated[
        str, typer.Option(metavar="LEAK", help="Leak margin of a file or of Prometheus, e.g. 1 MiB/h.")
    ] = DEFAULT_MAX_LEAK.text,
    limit: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Memory limit of each process of a file or of Prometheus, e.g. 2 GiB: gives the time to OOM.",
        ),
    ] = "",
    prometheus: Annotated[
        str, typer.Option(metavar="URL", help="Judge memory that this Prometheus recorded.")
    ] = "",
    query: Annotated[
        str, typer.Option(metavar="PROMQL", help="Memory of each process, bytes (with --prometheus).")
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="How far back to judge, with --prometheus (default: 7d).")
    ] = "",
    requests_query: Annotated[
        str,
        typer.Option(
            metavar="PROMQL",
            help="Requests answered: a counter, or requests per second by rate() (with --prometheus).",
        ),
    ] = "",
    start_query: Annotated[
        str,
        typer.Option(
            metavar="PROMQL",
            help="Start times of the processes, with --prometheus (default: the metric beside a known one of memory).",
        ),
    ] = "",
    bearer_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of the token that Prometheus asks for.")
    ] = None,
    basic_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of user:password that Prometheus asks for.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities that sign its certificate, PEM.")
    ] = None,
    verdicts: Annotated[Path | None, typer.Option(hidden=True, help="Write the verdicts as JSON.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a report to DIR (with --prometheus).")
    ] = None,
) -> None:
    """Print verdict and gates of a run, or judge memory that another tool or Prometheus recorded.

    Files of psrecord (--log), mprof, pidstat -r and docker stats are recognised; for a CSV, name the columns.

    Exit codes: 0 signed off or no leak, 2 usage, 3 a gate failed or a leak, 4 inconclusive or refused.
    """
    words = Words(
        prometheus,
        query,
        requests_query,
        start_query,
        since,
        max_leak,
        limit,
        bearer_file,
        basic_file,
        ca_file,
        report,
    )
    if prometheus:
        from analysis.commands.prometheus import judge_prometheus  # noqa: PLC0415 - HTTP has no place beside a run

        if path is not None or follow:
            raise UsageError("--prometheus judges neither a file nor a run: leave out PATH and --follow.")
        if (time_column, rss_column, life_column, time_unit, rss_unit) != ("", "", "", None, None):
            raise UsageError("--prometheus has no columns: leave out the options of a CSV.")
        answer(judge_prometheus(words, time.time(), show))
    if words.given:
        raise UsageError(f"{', '.join(words.given)}: only with --prometheus URL.")
    if path is None:
        raise UsageError("Name a run directory, a file of memory over time, or --prometheus URL.")
    if not path.exists():
        raise UsageError(f"{path}: no such file or run directory.")
    if path.is_dir():
        if follow:
            follow_run(path)
            return
        answer(judge_run(path, verdicts))
    if follow:
        raise UsageError(f"{path}: --follow needs a run directory.")
    margin = parse_option("--max-leak", max_leak, parse_leak_per_time)
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


def judge_run(run_dir: Path, verdicts: Path | None = None) -> Answer:
    """Judge a recording; raises RecordingError when it cannot be read.

    ``verdicts`` is a file to write for the run that goes on: by arm its ``verdict``, as in live.json, and whether a
    suspect of it is of ``native`` code.
    """
    recording = read_recording(run_dir)
    judged = judged_run(recording)
    if verdicts is not None:
        native = {
            growth.arm: any(suspect.kind in PAST_PYTHON for suspect in growth.suspects)
            for growth in find_growth(recording, judged.verdicts)
        }
        found = {
            verdict.arm: {"verdict": verdict.verdict, "native": native.get(verdict.arm, False)}
            for verdict in judged.verdicts
        }
        write_text(verdicts, json.dumps(found))
    end = outcome(judged.reasons, attached=recording.manifest.attached)
    return Answer(render([*judged_parts(judged), *end]), judged.signoff.exit_code)


def judge_file(path: Path, columns: Columns | None, margin: Margin, limit_bytes: float | None) -> Answer:
    """Judge the RSS in a file of another tool; raises RecordingError when it cannot be read.

    Processes that run side by side are judged each, with the family-wise error divided among them: the sum of their
    memory would jump whenever one begins or ends, and would not name the one that leaks. Where none does, the sum of
    their rates is judged, too. ``limit_bytes`` is the limit of each.
    """
    processes = read_external(path, columns)
    length_s = max((one.span_s[1] for one in processes), default=0.0)
    verdicts = tuple(
        _process_verdict(path.name, process, margin, limit_bytes, FAMILY_ERROR / len(processes), length_s)
        for process in processes
    )
    spans_s = [one.span_s for one in processes]
    whole = together(f"{path.name}, {len(verdicts)} processes together", verdicts, spans_s, margin)
    verdicts += () if whole is None else (whole,)
    of_margin = rate_text(margin.amount or 0.0, RSS, margin)
    lines = [*map(verdict_line, verdicts), f"{path.name}: the margin is {of_margin}; {span_text(processes)}."]
    if length_s < DAY_S and any(one.verdict == LEAK for one in verdicts):
        lines.append(
            f"{path.name}: the load of {format_duration(length_s)} is not known, and memory that rises with it looks "
            "like a leak: if it rose, record a day or more."
        )
    return Answer(render([Text(line) for line in lines]), watched(verdicts).exit_code)


def _process_verdict(
    file_name: str,
    process: ProcessReadings,
    margin: Margin,
    limit_bytes: float | None,
    error: float,
    length_s: float,
) -> ArmVerdict:
    """Judge one process of a file of ``length_s`` seconds.

    Restarts that are not identified can hide a leak, so with a doubt it is never NO LEAK. Nor is one a leak that was
    there for a part of the file too short to tell a leak from the load of a day.
    """
    name = f"{file_name}, {process.name}" if process.name else file_name

    def judged(series: SignalSeries) -> ArmVerdict:
        return series_verdict(name, series, margin, limit_bytes, error=error)

    verdict = judged(process.series)
    reason = process.unusable
    if not reason and verdict.verdict == NO_LEAK:
        reason = process.doubt
        if not reason and process.one_life is not None and judged(process.one_life).verdict != NO_LEAK:
            reason = process.pauses
    elif not reason and verdict.verdict == LEAK and _is_a_visit(process, length_s):
        there_s = process.span_s[1] - process.span_s[0]
        reason = (
            f"it was there for {format_duration(there_s)} of {format_duration(length_s)}, in which its memory may "
            f"follow the load of a day: record one process for longer; on the data alone: LEAK ({verdict.reason})"
        )
    elif not reason and verdict.verdict == INCONCLUSIVE and process.pauses:
        reason = f"{process.pauses}; if it was: {verdict.reason}"
    elif not reason and _is_wide(verdict) and process.rounding:
        reason = f"{process.rounding}; as it is: {verdict.reason}"
    return replace(verdict, verdict=INCONCLUSIVE, reason=reason) if reason else verdict


def _is_a_visit(process: ProcessReadings, length_s: float) -> bool:
    """Return whether a process was there for so small a part of a file that all of it may be the rise of a day's load.

    That rises for half a day at most, and a file of less than QUARTER_DAY_S is a test, with a load of its own.
    """
    since_s, until_s = process.span_s
    return length_s >= QUARTER_DAY_S and until_s - since_s < min(HALF_DAY_S, length_s / 2)


def _is_wide(verdict: ArmVerdict) -> bool:
    """Return whether a verdict is open because its interval is wide."""
    code = verdict.leading.judgement.reason_code if verdict.leading else None
    return verdict.verdict == INCONCLUSIVE and code is ReasonCode.WIDE_INTERVAL
