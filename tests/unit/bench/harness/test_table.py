from __future__ import annotations

import csv
import io
from pathlib import Path

from rich.console import Console

from bench.harness.estimate import Estimate, Finding, Goal
from bench.harness.table import findings_table, write_findings


def test_the_table_says_what_was_measured_and_what_it_means() -> None:
    """Exact text, 80 columns: a goal met, one missed and one left open, ratios and seconds."""
    findings = [
        Finding(
            "fixed / published_fix, requests/s", Goal(2.0, at_least=True), "x", Estimate(2.5, 2.25, 2.754)
        ),
        Finding("sampling on / off, p99", Goal(1.1, at_least=False), "x", Estimate(1.2, 1.15, 1.25)),
        Finding("report of 24 h, two arms", Goal(15, at_least=False), " s", Estimate(14.0, 1.296, 151.1)),
    ]
    text = io.StringIO()
    Console(file=text, width=80).print(findings_table(findings))
    assert [line.rstrip() for line in text.getvalue().splitlines()] == [
        "measured                             goal  result   95% interval  verdict",
        "fixed / published_fix, requests/s    ≥ 2x   2.50x  2.25 to 2.75x      met",
        "sampling on / off, p99             ≤ 1.1x   1.20x  1.15 to 1.25x   missed",
        "report of 24 h, two arms           ≤ 15 s  14.0 s  1.30 to 151 s     open",
    ]


def test_the_csv_has_each_finding_with_its_goal(tmp_path: Path) -> None:
    """A goal is in the column of its side; numbers are plain."""
    findings = [
        Finding("one / other", Goal(0.9, at_least=True), "x", Estimate(1.0, 0.95, 1.05)),
        Finding("report", Goal(12, at_least=False), " s", Estimate(14.0, 13.0, 15.0)),
    ]
    write_findings(tmp_path / "bench.csv", findings)
    with (tmp_path / "bench.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["at_least"], first["at_most"], first["result"], first["low"], first["verdict"]) == (
        "0.9", "", "1", "0.95", "met",
    )  # fmt: skip
    assert (second["measured"], second["unit"], second["at_most"], second["verdict"]) == (
        "report", "s", "12", "missed",
    )  # fmt: skip
