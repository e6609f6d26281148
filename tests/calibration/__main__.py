"""The yardstick's command line: ``python -m tests.calibration``."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from soak.contract.units import clock_text
from soak.errors import EXIT_HARNESS_FAILED
from tests.calibration.figures import figures
from tests.calibration.picture import draw
from tests.calibration.plan import Task, tasks
from tests.calibration.report import console_tables, report
from tests.calibration.score import Outcome, score, table
from tests.calibration.simulator.simulate import REPORTING_SEED, TUNING_SEED

PROGRESS_EVERY_S: Final = 10.0
QUICK: Final = 0.1
WIDTH: Final = 120
"""Of the tables in a file or a pipe."""


def judge_all(todo: Sequence[Task], jobs: int, console: Console) -> list[Outcome]:
    """Return the outcomes, in no order, with a line of progress now and then."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    began_s = said_s = time.monotonic()
    outcomes: list[Outcome] = []
    # Long and short traces take turns, so that the time left can be told from the time gone.
    mixed = [task for start in range(97) for task in todo[start::97]]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for outcome in pool.imap_unordered(score, mixed, chunksize=4):
            outcomes.append(outcome)
            now_s = time.monotonic()
            if now_s - said_s >= PROGRESS_EVERY_S:
                said_s, gone_s = now_s, now_s - began_s
                left = clock_text(gone_s * (len(todo) / len(outcomes) - 1))
                line = f"[{clock_text(gone_s)}, {left} left] {len(outcomes):,} of {len(todo):,} traces"
                console.print(line, highlight=False, markup=False, soft_wrap=True)
    return outcomes


def calibrate(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the traces, with wide intervals.")
    ] = False,
    tuning: Annotated[
        bool, typer.Option("--tuning", help="Traces to tune the judge on; never report these.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = os.cpu_count() or 1,
    out: Annotated[
        Path, typer.Option(help="Directory of report.md, outcomes.csv and calibration.png.")
    ] = Path("calibration"),
) -> None:
    """Judge simulated recordings with known truth, and print each figure beside its goal and the naive methods.

    Exits with 1 where a figure falls short of its goal.
    """
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=WIDTH)
    began_s = time.monotonic()
    first_seed = TUNING_SEED if tuning else REPORTING_SEED
    outcomes = table(judge_all(tasks(first_seed, share=QUICK if quick else 1.0), jobs, console))
    outcomes = outcomes.sort_values("seed", ignore_index=True)
    found = figures(outcomes)
    out.mkdir(parents=True, exist_ok=True)
    outcomes.to_csv(out / "outcomes.csv", index=False)
    draw(outcomes, out / "calibration.png")
    took_s = time.monotonic() - began_s
    (out / "report.md").write_text(report(found, outcomes, first_seed=first_seed, took_s=took_s))
    console.print(*console_tables(found), sep="\n")
    console.print(f"{out / 'report.md'} has the figures by kind.", highlight=False, markup=False)
    if not all(figure.met for figure in found):
        raise typer.Exit(EXIT_HARNESS_FAILED)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(calibrate)
    app(prog_name="python -m tests.calibration")


if __name__ == "__main__":
    main()
