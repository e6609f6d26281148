"""Verdicts on planted services in a real Prometheus: ``python -m tests.prometheus``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from tests.prometheus.openmetrics import lines
from tests.prometheus.plan import healthy, leaks, others
from tests.prometheus.simulator import Kind, simulate
from tests.prometheus.table import Outcome, is_as_planted, table
from tests.support.prometheus_server import block_of, serving

REPORT_SEED: Final = 4711
"""The seed of the table; the simulator and the judge were developed with the seeds 1 to 12 and 2026."""


def judge(url: str, number: int, kind: Kind) -> Outcome:
    """Judge one service from the command line; return what came out."""
    label = f'service="s{number}"'
    words = [
        "--prometheus", url, "--query", f"process_resident_memory_bytes{{{label}}}", "--since", f"{kind.hours:g}h",
        *(["--requests-query", f"http_requests_total{{{label}}}"] if kind.knows_requests else []),
    ]  # fmt: skip
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "soak", "judge", *words], check=False, capture_output=True, text=True
    )
    return Outcome(kind, done.returncode, done.stdout + done.stderr, time.monotonic() - began_s)


def main(
    seed: Annotated[int, typer.Option(help="Seed of all services.")] = REPORT_SEED,
    details: Annotated[bool, typer.Option("--details", help="Print every verdict.")] = False,
) -> None:
    """Plant 15 leaks and 48 healthy services, and further leaks beside them, and print the table of verdicts."""
    kinds = (*leaks(), *healthy(), *others())
    end_s = time.time()

    def planted() -> Iterator[str]:
        for number, kind in enumerate(kinds):
            yield from lines(f"s{number}", simulate(kind, seed, end_s))

    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        began_s = time.monotonic()
        data = block_of(planted(), place)
        made_s = time.monotonic() - began_s
        with serving(data, place) as url:
            outcomes = [judge(url, number, kind) for number, kind in enumerate(kinds)]
    if details:
        for one in outcomes:
            print(f"{one.kind.name}: exit {one.code}, {one.took_s:.1f} s\n{one.text}")
    print(table(outcomes, seed, made_s))
    raise typer.Exit(0 if is_as_planted(outcomes) else 1)


if __name__ == "__main__":
    typer.run(main)
