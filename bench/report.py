"""How long the report of three days takes, how that grows with the recording, and how large its page is."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import in_turn
from bench.harness.subprocesses import run_module
from bench.harness.synthetic_run import write_run

WHOLE_H, QUARTER_H = 72, 18
TIMEOUT_S = 300.0


def time_reports(rounds: int, progress: Progress) -> list[Finding]:
    """Return how long ``soak report`` takes for three days of two arms, against a quarter of that, and its page's size.

    Raises HarnessError when a report fails.
    """
    seconds: dict[int, list[float]] = {WHOLE_H: [], QUARTER_H: []}
    pages: list[float] = []
    with TemporaryDirectory(prefix="soak-bench-") as directory:
        runs = {hours: write_run(Path(directory) / f"{hours}h", hours) for hours in seconds}
        for number in range(rounds):
            for hours in in_turn(tuple(runs), number):
                seconds[hours].append(_time_report(runs[hours]))
            pages.append((runs[WHOLE_H] / "report" / "report.html").stat().st_size / 2**20)
            latest = ", ".join(f"{hours} h in {values[-1]:.1f} s" for hours, values in seconds.items())
            progress.say(f"reports, round {number + 1} of {rounds}: {latest}")
    return [
        Finding(
            f"report of {WHOLE_H} h, two arms",
            Goal(20.0, at_least=False),
            " s",
            estimate(seconds[WHOLE_H]),
        ),
        Finding(
            f"report of {WHOLE_H} h / {QUARTER_H} h, time",
            Goal(WHOLE_H / QUARTER_H, at_least=False),
            "x",
            estimate(ratios(seconds[WHOLE_H], seconds[QUARTER_H])),
        ),
        Finding(
            f"report.html of {WHOLE_H} h, two arms",
            Goal(2.8, at_least=False),
            " MiB",
            estimate(pages),
        ),
    ]


def _time_report(run_dir: Path) -> float:
    """Return how long the command takes, the start of Python with it."""
    began_s = time.perf_counter()
    run_module(f"report of {run_dir.name}", "soak", "report", str(run_dir), timeout_s=TIMEOUT_S)
    return time.perf_counter() - began_s
