from __future__ import annotations

import io

from rich.console import Console

from bench.harness.estimate import Estimate, Finding, Goal
from bench.harness.progress import Progress
from bench.harness.rounds import in_turn
from bench.harness.servers import Cores, divide
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


def test_progress_says_how_long_and_how_much_longer() -> None:
    """Elapsed time and what is left of the estimate; past it, nothing is left."""
    lines: list[str] = []
    times = iter([100.0, 110.0, 190.0])
    progress = Progress(lines.append, about_s=75.0, clock=lambda: next(times))
    progress.say("round 1")
    progress.say("round 2")
    assert lines == ["[0:10, 1:05 left] round 1", "[1:30, 0:00 left] round 2"]


def test_each_is_as_often_first_as_last() -> None:
    """Rounds go forwards and backwards in turn."""
    assert [list(in_turn("abc", number)) for number in range(3)] == [
        ["a", "b", "c"],
        ["c", "b", "a"],
        ["a", "b", "c"],
    ]


def test_the_server_has_a_core_for_itself_where_there_are_two() -> None:
    """The last core is the server's and the others are not; a single one is shared."""
    assert divide({0, 1, 2, 3}) == Cores(server=frozenset({3}), rest=frozenset({0, 1, 2}))
    assert divide({5}) == Cores(server=frozenset({5}), rest=frozenset({5}))
