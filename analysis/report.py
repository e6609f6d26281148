"""Make the report of a run directory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from analysis.figures import latency_figure, memory_figure, objects_figure
from analysis.findings import Findings, find
from analysis.recording import read_recording
from analysis.rows import Row
from analysis.summary import summary_json
from analysis.text import comparison_markdown, report_text
from soak.contract import REPORT
from soak.errors import HarnessError

FIGURES = {"memory.png": memory_figure, "objects.png": objects_figure, "latency.png": latency_figure}


@dataclass(frozen=True, slots=True)
class Report:
    """What the command line needs of a report that was written."""

    directory: Path
    text: str
    """To print: plain, at most 100 columns wide."""
    reasons: tuple[str, ...]
    """Why the recording is inconclusive; empty when it is complete and the load arrived."""


def make_report(run_dir: Path) -> Report:
    """Read a run directory and write ``report/`` in it, each file replaced at once.

    Raises RecordingError when the directory is missing, has no readable manifest or is of another schema, and
    HarnessError when the report cannot be written.
    """
    findings = find(read_recording(run_dir))
    directory = run_dir / REPORT
    try:
        directory.mkdir(exist_ok=True)
        _write(directory, findings)
    except OSError as error:
        raise HarnessError(
            f"{directory}: the report cannot be written ({error.strerror or error}); "
            "mend that and make the report again, the recording is whole."
        ) from None
    return Report(directory=directory, text=report_text(findings), reasons=findings.reasons)


def _write(directory: Path, findings: Findings) -> None:
    with _replacing(directory / "comparison.csv") as path:
        _write_csv(path, findings.rows)
    with _replacing(directory / "comparison.md") as path:
        path.write_text(comparison_markdown(findings), encoding="utf-8")
    with _replacing(directory / "summary.json") as path:
        path.write_text(summary_json(findings), encoding="utf-8")
    for name, draw in FIGURES.items():
        with _replacing(directory / name) as path:
            draw(findings).savefig(path, format="png")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` when it was written whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(path: Path, rows: tuple[Row, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
