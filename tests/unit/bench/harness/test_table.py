from __future__ import annotations

import io

from rich.console import Console

from bench.harness.estimate import Estimate, Finding, Goal
from bench.harness.table import findings_table


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
