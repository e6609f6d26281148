"""What soakproof costs by rate, workers, processes and hours: ``python -m bench.cost``, or ``make bench-cost``.

The points go to a CSV, from which the picture of the documentation is drawn.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from analysis.commands.live import live
from analysis.recording.growing import GrowingRecording
from bench.harness.ending import measuring
from bench.harness.locust import Load, cost_of
from bench.harness.progress import Progress
from bench.harness.servers import Place, open_place
from bench.harness.subprocesses import ROOT
from bench.harness.synthetic_run import write_run
from bench.harness.table import new_console, new_progress
from bench.load import TARGET
from bench.many import PROCESSES, processes, sampled
from bench.master import WORKERS, share_of_core
from bench.picture import HOURS, PANELS, RATE, SAMPLED, WORKERS_PANEL, draw
from bench.report import time_of, time_of_look
from soak.errors import EXIT_USAGE

RATES_RPS: Final = (300, 600, 1000, 2000, 4000)
SENDING: Final = (1, 2, 4)
"""Numbers of workers that are real processes."""
WORKER_RPS: Final = 500
"""Requests per second that each of them sends."""
PROCESSES_OF: Final = (1, 4, 16, 32, PROCESSES)
RUN_HOURS: Final = (1, 8, 24, 72)
LOAD_S: Final = 4.0
SAMPLED_S: Final = 10.5
"""Two readings of smaps in each."""
SECONDS_OF_REPORTS: Final = 5
IMAGES: Final = ROOT / "docs" / "images"
ABOUT_S: Final = 200


@dataclass(frozen=True, slots=True)
class Point:
    """One measured cost."""

    panel: str
    line: str
    x: float
    cost: float
    """Processor cores; of judge and report seconds of processor time."""


def by_rate(place: Place, progress: Progress) -> Iterator[Point]:
    """Yield the cores that a process of planned load, and one of plain users of Locust, takes at each rate."""
    with place.serving(TARGET) as server:
        for rps in RATES_RPS:
            for line, planned in (("planned load", True), ("plain FastHttpUser", False)):
                cost = cost_of(place, server, Load(planned, rps), LOAD_S)
                progress.say(f"{line} at {cost.rps:,.0f}/s: {cost.cores:.3f} cores")
                yield Point(RATE, line, round(cost.rps), cost.cores)


def by_workers(place: Place, progress: Progress) -> Iterator[Point]:
    """Yield the cores of all workers by their number, and those that their reports cost the master."""
    with place.serving(TARGET) as server:
        for workers in SENDING:
            cost = cost_of(place, server, Load(True, WORKER_RPS * workers, workers), LOAD_S)
            progress.say(f"{workers} workers at {cost.rps:,.0f}/s in all: {cost.cores:.3f} cores")
            yield Point(WORKERS_PANEL, "all workers", workers, cost.cores)
    for workers in WORKERS:
        shares = [share_of_core(workers, second) for second in range(SECONDS_OF_REPORTS + 1)][1:]
        yield Point(WORKERS_PANEL, "master", workers, median(shares))


def by_processes(place: Place, progress: Progress) -> Iterator[Point]:
    """Yield the cores of the sampler by the number of processes that it samples."""
    with processes(place) as targets:
        sampled(place.directory, targets, LOAD_S)  # with their first answers the probes import their modules
        for number in PROCESSES_OF:
            cores, _ = sampled(place.directory, targets[:number], SAMPLED_S)
            progress.say(f"sampling {number} processes: {cores:.4f} cores")
            yield Point(SAMPLED, "sampler", number, cores)


def by_hours(_: Place, progress: Progress) -> Iterator[Point]:
    """Yield the processor time that judge, report and a live look take, by the hours of a synthetic recording."""
    for hours in RUN_HOURS:
        with TemporaryDirectory(prefix="soak-bench-") as directory:
            run_dir = write_run(Path(directory) / f"{hours}h", hours)
            growing = GrowingRecording(run_dir)
            live(growing.read(), 1)
            seconds = {
                "live look": time_of_look(growing, 2),
                "judge": time_of("judge", run_dir),
                "report": time_of("report", run_dir),
            }
        progress.say(
            f"{hours} h: " + ", ".join(f"{name} {taken_s:.2f} s" for name, taken_s in seconds.items())
        )
        for name, taken_s in seconds.items():
            yield Point(HOURS, name, hours, taken_s)


MEASURES: Final[dict[str, Callable[[Place, Progress], Iterable[Point]]]] = {
    RATE: by_rate,
    WORKERS_PANEL: by_workers,
    SAMPLED: by_processes,
    HOURS: by_hours,
}


def read_points(path: Path) -> list[Point]:
    """Return the points of a CSV; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            Point(row["panel"], row["line"], float(row["x"]), float(row["cost"]))
            for row in csv.DictReader(file)
        ]


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write points as CSV."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(Point))
        rows.writerows(
            (panel, line, f"{x:g}", f"{cost:.4g}") for panel, line, x, cost in map(astuple, points)
        )


def main(
    panels: Annotated[
        list[str] | None, typer.Argument(help=f"Measure these anew: {', '.join(PANELS)}. Default: all.")
    ] = None,
    directory: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Directory of cost.csv and cost.png.")
    ] = IMAGES,
    only_draw: Annotated[
        bool, typer.Option("--draw", help="Measure nothing, draw what cost.csv has.")
    ] = False,
) -> None:
    """Measure what soakproof costs, and draw it."""
    chosen = [] if only_draw else panels or list(PANELS)
    if unknown := set(chosen) - set(PANELS):
        typer.echo(f"Error: no panel {', '.join(sorted(unknown))}; there are {', '.join(PANELS)}", err=True)
        raise typer.Exit(EXIT_USAGE)
    table = directory / "cost.csv"
    points = read_points(table)
    progress = new_progress(new_console(), ABOUT_S)
    with measuring(), open_place() as place:
        for panel in chosen:
            found = list(MEASURES[panel](place, progress))
            points = [point for point in points if point.panel != panel] + found
            write_points(table, points)
    draw(((point.panel, point.line, point.x, point.cost) for point in points), directory / "cost.png")


if __name__ == "__main__":
    typer.run(main)
