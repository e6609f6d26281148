"""The benchmark's command line: ``python -m bench``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.gateway import compare_builds
from bench.harness.client import Client
from bench.harness.ending import MISSED, measuring
from bench.harness.estimate import Finding, Verdict
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds
from bench.harness.servers import open_place
from bench.harness.table import findings_table, new_console, new_progress, write_findings
from bench.heap import cost_and_error
from bench.load import compare_loads
from bench.many import sample_many
from bench.master import cost_of_workers
from bench.naming import cost_of_naming
from bench.report import time_reports
from bench.sampling import compare_sampling


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured, and about how long that takes."""

    builds: Rounds
    sampling: Rounds
    many: Rounds
    loads: Rounds
    naming: int
    reports: int
    about_s: float


FULL = Effort(
    builds=Rounds(20, 0.5),
    sampling=Rounds(4, 16.0),
    many=Rounds(3, 5.5),
    loads=Rounds(6, 2.0),
    naming=4,
    reports=3,
    about_s=630,
)
QUICK = Effort(
    builds=Rounds(5, 0.5),
    sampling=Rounds(2, 4.0),
    many=Rounds(2, 5.5),
    loads=Rounds(2, 2.0),
    naming=2,
    reports=2,
    about_s=235,
)


def measure(effort: Effort, progress: Progress) -> list[Finding]:
    """Return all findings; raises HarnessError when something could not be measured."""
    client = Client()
    with open_place() as place:
        findings = compare_builds(place, client, effort.builds, progress)
        findings += compare_sampling(place, client, effort.sampling, progress)
        findings += sample_many(place, effort.many, progress)
        findings += compare_loads(place, effort.loads, progress)
        findings += cost_of_workers(effort.loads.count, progress)
        findings += cost_of_naming(place, client, effort.naming, progress)
        findings += cost_and_error(place, progress)
    return findings + time_reports(effort.reports, progress)


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Four minutes, with wide intervals.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
) -> None:
    """Measure gateway, sampling, load and report, each against a peer of the same run, in alternating rounds.

    Each result is a geometric mean over the rounds with its 95% interval. Exits with 1 where an interval excludes
    its goal, with 2 when something could not be measured.
    """
    console = new_console()
    effort = QUICK if quick else FULL
    with measuring():
        findings = measure(effort, new_progress(console, effort.about_s))
        console.print(findings_table(findings))
        if csv is not None:
            write_findings(csv, findings)
    if any(finding.verdict is Verdict.MISSED for finding in findings):
        raise typer.Exit(MISSED)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(bench)
    app(prog_name="python -m bench")


if __name__ == "__main__":
    main()
