"""How long judge and report of three days take, how that grows with the recording, and what a live look costs."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.commands.live import live
from analysis.recording.growing import GrowingRecording
from bench.harness.estimate import Finding, Goal, estimate, exactly, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import in_turn
from bench.harness.subprocesses import run_module
from bench.harness.synthetic_run import write_run
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE

WHOLE_H, QUARTER_H, HOUR_H = 72, 18, 1
TIMEOUT_S = 300.0
JUDGED = (0, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE)
"""Exit codes of a judgement that was made: an hour may be too short to decide."""


def time_reports(rounds: int, progress: Progress) -> list[Finding]:
    """Return what ``soak judge`` and ``soak report`` of three days of two arms take, and a look at them while they run.

    The report is compared with that of a quarter of the time, the look with one after an hour. Raises HarnessError when
    a command fails.
    """
    seconds: dict[int, list[float]] = {WHOLE_H: [], QUARTER_H: []}
    judged: list[float] = []
    looks: dict[int, list[float]] = {WHOLE_H: [], HOUR_H: []}
    pages: list[float] = []
    with TemporaryDirectory(prefix="soak-bench-") as directory:
        runs = {hours: write_run(Path(directory) / f"{hours}h", hours) for hours in {**seconds, **looks}}
        disk_mb = sum(file.stat().st_size for file in runs[WHOLE_H].rglob("*") if file.is_file()) / 1e6
        growing = {hours: GrowingRecording(runs[hours]) for hours in looks}
        for one in growing.values():
            live(one.read(), 1)
        for number in range(rounds):
            for hours in in_turn(tuple(seconds), number):
                seconds[hours].append(time_of("report", runs[hours]))
            judged.append(time_of("judge", runs[WHOLE_H]))
            for hours in in_turn(tuple(looks), number):
                looks[hours].append(time_of_look(growing[hours], number + 2))
            pages.append((runs[WHOLE_H] / "report" / "report.html").stat().st_size / 2**20)
            latest = ", ".join(f"{hours} h in {values[-1]:.1f} s" for hours, values in seconds.items())
            progress.say(f"reports, round {number + 1} of {rounds}: {latest}; judged in {judged[-1]:.1f} s")
    return [
        _at_most(f"judge of {WHOLE_H} h, two arms, CPU", 4.0, " s", judged),
        _at_most(f"report of {WHOLE_H} h, two arms, CPU", 12.0, " s", seconds[WHOLE_H]),
        _at_most(
            f"report of {WHOLE_H} h / {QUARTER_H} h, CPU",
            WHOLE_H / QUARTER_H,
            "x",
            ratios(seconds[WHOLE_H], seconds[QUARTER_H]),
        ),
        _at_most(
            f"live look at {WHOLE_H} h / {HOUR_H} h, CPU", 1.2, "x", ratios(looks[WHOLE_H], looks[HOUR_H])
        ),
        _at_most(f"report.html of {WHOLE_H} h, two arms", 2.8, " MiB", pages),
        Finding(f"recording of {WHOLE_H} h, two arms", Goal(150, at_least=False), " MB", exactly(disk_mb)),
    ]


def _at_most(name: str, goal: float, unit: str, values: list[float]) -> Finding:
    return Finding(name, Goal(goal, at_least=False), unit, estimate(values))


def time_of(command: str, run_dir: Path) -> float:
    """Return the processor time that a command takes, seconds, the start of Python with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_module(
        f"{command} of {run_dir.name}", "soak", command, str(run_dir), timeout_s=TIMEOUT_S, done=JUDGED
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def time_of_look(growing: GrowingRecording, look: int) -> float:
    """Return the processor time of a look at a recording whose rows were read before, seconds."""
    began_s = time.process_time()
    live(growing.read(), look)
    return time.process_time() - began_s
