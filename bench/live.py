"""How soon a leak is called while the load runs, and that nothing healthy is: ``python -m bench.live``.

Real runs of small services side by side, each with quiesce points and the judge beside it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from rich.table import Table

from bench.harness.ending import MISSED, measuring
from bench.harness.progress import Progress
from bench.harness.subprocesses import ROOT
from bench.harness.table import new_console, new_progress
from bench.targets.live_app import HEALTHY
from soak.contract import LIVE, LOAD_BEGAN, LOGS, ArmLive, read_live
from soak.errors import HarnessError

LOAD_S = 300
RATE_RPS = 150
WARMUP_S = 10
MARGIN = "100 B/request"
GOALS_S: Mapping[str, float] = {"leak-200": 300.0, "leak-2000": 90.0}
"""Bytes kept per request, and how soon after the load's start a leak must be called."""
LOOK_EVERY_S = 0.5
START_AND_REPORT_S = 120.0

PROFILE = f"""about = "Small services, leaking and healthy."

[phases]
idle_s = 5
warmup_s = {WARMUP_S}
load_s = {LOAD_S}
drain_s = 3
quiesce_s = 3

[sampling]
quiesce_every_s = 10
quiesce_pause_s = 1

[judge]
max_leak = "{MARGIN}"

[traffic]
rate_rps = {RATE_RPS}
warmup_rps = {RATE_RPS}
request_bytes = 1000
path = "/"
"""

ARM = """
[arms.{name}]
command = ["{{python}}", "-m", "bench.targets.live_app", "{kind}", "{{port}}"]
cwd = "{root}"
ready = "port"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """Verdicts of the judge on one service while the load ran."""

    kind: str
    called_s: float | None
    """Seconds of load until the first verdict leak; None when none came."""
    last: ArmLive
    """Its verdict at the end."""

    @property
    def met(self) -> bool:
        """Whether a leak was called in time, or nothing healthy was."""
        if self.kind in HEALTHY:
            return self.called_s is None
        return self.called_s is not None and self.called_s <= GOALS_S[self.kind]


def calls(kinds: Sequence[str], directory: Path, progress: Progress) -> list[Call]:
    """Soak services of these kinds in one run and return the verdicts on each; raises HarnessError."""
    directory.mkdir()
    profile = directory / "live.toml"
    arms = {kind.replace("-", "_"): kind for kind in kinds}
    profile.write_text(
        PROFILE + "".join(ARM.format(name=name, kind=kind, root=ROOT) for name, kind in arms.items())
    )
    log = directory / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(
            [sys.executable, "-m", "soak", "run", str(profile), "--runs", str(directory / "runs")],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            called_s, last = _watch(run, arms, directory / "runs" / "latest", progress)
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)
                run.wait(START_AND_REPORT_S)
    if missing := arms.keys() - last.keys():
        raise HarnessError(f"{min(missing)} was never judged; the run's output is {log.read_text()[-800:]}")
    return [Call(kind, called_s.get(name), last[name]) for name, kind in arms.items()]


def _watch(
    run: subprocess.Popen[bytes], arms: Mapping[str, str], run_dir: Path, progress: Progress
) -> tuple[dict[str, float], dict[str, ArmLive]]:
    called_s: dict[str, float] = {}
    last: dict[str, ArmLive] = {}
    began_s: float | None = None
    deadline_s = time.monotonic() + WARMUP_S + LOAD_S + START_AND_REPORT_S
    while run.poll() is None and time.monotonic() < deadline_s:
        time.sleep(LOOK_EVERY_S)
        if began_s is None:
            began_s = next(_load_starts(run_dir), None)
        live = read_live(run_dir / LIVE)
        if live is None or began_s is None:
            continue
        last |= live.arms
        for name, seen in live.arms.items():
            if seen.verdict == "leak" and name not in called_s:
                called_s[name] = live.updated_t_s - began_s
                progress.say(f"{arms[name]}: leak called after {called_s[name]:.0f} s: {seen.reason}")
    return called_s, last


def _load_starts(run_dir: Path) -> Iterator[float]:
    """Yield the ``t_s`` at which the loads after the warm-up start, from the log of Locust."""
    log = run_dir / LOGS / "locust.log"
    if log.exists():
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith(LOAD_BEGAN):
                yield float(line.split()[-1])


def _table(found: Sequence[Call]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("service", "goal", "leak called after", "verdict", "so far"):
        table.add_column(title, no_wrap=title != "so far")
    for call in found:
        goal = "never" if call.kind in HEALTHY else f"≤ {GOALS_S[call.kind]:g} s"
        after = "never" if call.called_s is None else f"{call.called_s:.0f} s"
        table.add_row(call.kind, goal, after, "met" if call.met else "missed", call.last.reason)
    return table


def main() -> None:
    """Run two soaks of five services each.

    Exits with 1 where a goal is missed, with 2 when something could not be measured.
    """
    console = new_console()
    progress = new_progress(console, about_s=2 * (LOAD_S + WARMUP_S + 40))
    healthy = list(HEALTHY)
    half = len(healthy) // 2
    groups = [["leak-200", *healthy[:half]], ["leak-2000", *healthy[half:]]]
    found: list[Call] = []
    with measuring(), TemporaryDirectory(prefix="soak-bench-") as directory:
        for number, kinds in enumerate(groups, 1):
            progress.say(f"run {number} of {len(groups)}: {', '.join(kinds)}")
            found += calls(kinds, Path(directory, str(number)), progress)
    console.print(_table(found))
    if not all(call.met for call in found):
        raise typer.Exit(MISSED)


if __name__ == "__main__":
    typer.run(main)
