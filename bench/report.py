"""How long the report of a whole day takes, and how that grows with the recording."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.estimate import Finding, Goal, estimate, ratios
from bench.modules import run_module
from bench.progress import Progress
from bench.rounds import in_turn
from bench.synthetic import write_run

DAY_H, QUARTER_H = 24, 6
TIMEOUT_S = 300.0


def time_reports(rounds: int, progress: Progress) -> list[Finding]:
    """Return the seconds that ``soak report`` takes for a day of two arms, and its ratio to a quarter of that.

    Raises HarnessError when a report fails.
    """
    seconds: dict[int, list[float]] = {DAY_H: [], QUARTER_H: []}
    with TemporaryDirectory(prefix="soak-bench-") as directory:
        runs = {hours: write_run(Path(directory) / f"{hours}h", hours) for hours in seconds}
        for number in range(rounds):
            for hours in in_turn(tuple(runs), number):
                seconds[hours].append(_time_report(runs[hours]))
            latest = ", ".join(f"{hours} h in {values[-1]:.1f} s" for hours, values in seconds.items())
            progress.say(f"reports, round {number + 1} of {rounds}: {latest}")
    return [
        Finding(
            f"report of {DAY_H} h, two arms",
            Goal(15.0, at_least=False),
            " s",
            estimate(seconds[DAY_H]),
        ),
        Finding(
            f"report of {DAY_H} h / {QUARTER_H} h, time",
            Goal(DAY_H / QUARTER_H, at_least=False),
            "x",
            estimate(ratios(seconds[DAY_H], seconds[QUARTER_H])),
        ),
    ]


def _time_report(run_dir: Path) -> float:
    """Return how long the command takes, the start of Python with it."""
    began_s = time.perf_counter()
    run_module(f"report of {run_dir.name}", "soak", "report", str(run_dir), timeout_s=TIMEOUT_S)
    return time.perf_counter() - began_s
