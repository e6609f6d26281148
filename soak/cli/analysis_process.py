"""What is found in a recording: the one way from the runner to the analysis, imported only when it is asked."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import typer

from soak.errors import SoakError
from soak.supervisor.launch import Outcome


class Finding(Protocol):
    """What the analysis returns: text to print, and the exit code it stands for."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def exit_code(self) -> int: ...  # noqa: D102


def report(directory: Path) -> Finding:
    """Make the report of a recording."""
    from analysis.report.write import make_report  # noqa: PLC0415 - pandas and matplotlib have no place beside a run

    return make_report(directory)


def ablation(directory: Path) -> Finding:
    """Make the report of an ablation, and what each fault leaks."""
    from analysis.commands.ablation import make_ablation  # noqa: PLC0415 - as in report

    report(directory)
    return make_ablation(directory)


def judge_run(directory: Path) -> Finding:
    """Judge a recording without making its report."""
    from analysis.commands.judge import judge_run as judge  # noqa: PLC0415 - as in report

    return judge(directory)


def judge_file(
    path: Path,
    names: tuple[str, str, str],
    units: tuple[float | None, float | None],
    margin_per_s: float,
    limit_bytes: float | None,
) -> Finding:
    """Judge another tool's file; ``names`` and ``units`` are of its columns, empty where the file tells them."""
    from analysis.commands.judge import judge_file as judge  # noqa: PLC0415
    from analysis.external.files import Columns  # noqa: PLC0415 - as in report
    from analysis.judge.types import Margin  # noqa: PLC0415

    time, rss, life = names
    columns = Columns(time, rss, *units, life) if time else None
    return judge(path, columns, Margin(per_s=margin_per_s), limit_bytes)


def follow(directory: Path) -> None:
    """Judge a run while it goes on, until whoever asked is gone."""
    from analysis.commands.live import follow as follow_run  # noqa: PLC0415 - as in report

    follow_run(directory)


def compare(first: Path, second: Path) -> Finding:
    """Compare the verdicts of two recordings."""
    from analysis.commands.compare import compare_runs  # noqa: PLC0415 - as in report

    return compare_runs(first, second)


def show(finding: Finding) -> int:
    """Print it and return the exit code it stands for."""
    with contextlib.suppress(OSError):  # the terminal is gone; the report stands in its files
        print(finding.text, flush=True)
    return finding.exit_code


def finish(outcome: Outcome, make: Callable[[Path], Finding]) -> None:
    """Report what was recorded, and only then say what ended the run early.

    Raises typer.Exit with the exit code of what was found, or the error that ended the run.
    """
    try:
        code = show(make(outcome.directory))
    except SoakError:
        if outcome.error is None:
            raise
        raise outcome.error from None  # a report that cannot be made is the lesser news
    except KeyboardInterrupt:
        print(
            f"soak: interrupted; the recording is kept, soak report {outcome.directory} makes its report.",
            file=sys.stderr,
        )
        raise
    if outcome.error is not None:
        raise outcome.error
    raise typer.Exit(code)
