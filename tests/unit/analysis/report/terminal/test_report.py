from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import ReportContents, report_contents
from analysis.report.growth_tables import suspect_tables, type_tables
from analysis.report.markdown.incident import claims_markdown, comparison_markdown
from analysis.report.markdown.table import section
from analysis.report.markdown.verdict import verdict_markdown
from analysis.report.process_tables import process_tables
from analysis.report.terminal.report import report_text, suspect_parts
from analysis.report.terminal.tables import captioned, render
from soak.contract import GateLimit
from soak.contract.units import parse_limit
from tests.support.paths import EXPECTED
from tests.support.planted_heap import FOUR_LEAKS, Container, write_heap
from tests.support.planted_processes import PlantedProcess, write_processes

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

GATES = (
    parse_limit("leak_vs_before", "<= 100 B/request"),
    GateLimit("max_rss", "<=", 1.05, of_before=True, text="<= 1.05x before"),
    GateLimit("p99_drift", "<=", 1.2, of_before=False, text="<= 1.2x"),
    GateLimit("error_rate", "<=", 0.0001, of_before=False, text="<= 0.01%"),
    GateLimit("tasks", "<=", 50.0, of_before=False, text="<= 50"),
)


def findings(run_dir: Path) -> ReportContents:
    """Return what the recording shows."""
    return report_contents(read_recording(run_dir))


def test_the_incident_is_told_whole(build_run: Build) -> None:
    """The table, what does not reproduce, lives with the kill, slopes and load fit into 100 columns."""
    assert report_text(findings(build_run())) == (EXPECTED / "incident.txt").read_text()


def test_a_run_that_is_not_the_incidents_is_told_without_it(build_run: Build) -> None:
    """Time is minutes of the run, slopes are per hour of the clock, and nothing is judged."""
    assert (
        report_text(findings(build_run(incident=False, roles=("", ""), kill_hour=3.0)))
        == (EXPECTED / "plain.txt").read_text()
    )


def test_a_run_cut_short_says_why_it_is_inconclusive(build_run: Build) -> None:
    """What was recorded is told, and each reason against it stands at the end."""
    run_dir = build_run(status="interrupted", status_detail="Ctrl-C", end_s=41.0, probe=False)
    with (run_dir / "leaky" / "samples.csv").open("a") as samples:
        samples.write("41.0,2026")
    assert report_text(findings(run_dir)) == (EXPECTED / "interrupted.txt").read_text()


def test_what_was_attached_to_is_told_without_a_load(build_run: Build) -> None:
    """Its load is not ours: no table of zeros, and no word that it arrived."""
    run_dir = build_run(incident=False, roles=("",), kill_hour=None, judge={"max_leak_bytes_per_s": 300.0})
    path = run_dir / "manifest.json"
    attached = {"attached": True, "profile": "attach", "limit_mechanism": "its owner", "planned_load_s": 0}
    path.write_text(json.dumps(json.loads(path.read_text()) | attached))
    for name in ("requests.csv", "latency.hlog"):
        (run_dir / "leaky" / name).unlink()
    assert report_text(findings(run_dir)) == (EXPECTED / "attached.txt").read_text()


def test_the_verdict_as_markdown(build_run: Build) -> None:
    """Sign-off first, a line per arm, the candidate's gates with why, and what each signal said."""
    judged = findings(build_run(gates=GATES)).judged
    assert verdict_markdown("planted: verdict", judged) == (EXPECTED / "verdict.md").read_text()


def test_the_comparison_as_markdown(build_run: Build) -> None:
    """Each row stands with its scale, its outcome and the rule."""
    assert comparison_markdown(findings(build_run())) == (EXPECTED / "incident.md").read_text()


def test_the_claims_as_markdown(build_run: Build) -> None:
    """Each claim stands with its figure, outcome and sentence; below are the moments of the incident's log."""
    assert claims_markdown(findings(build_run())) == (EXPECTED / "claims.md").read_text()


def test_the_comparison_as_markdown_without_the_incident(build_run: Build) -> None:
    """Columns that would be empty are left out."""
    assert comparison_markdown(findings(build_run(incident=False))) == (EXPECTED / "plain.md").read_text()


def test_a_terminal_of_100_columns_is_enough() -> None:
    """No line of the expected texts is longer, and the tests above hold the report to them."""
    lines = [line for path in EXPECTED.glob("*.txt") for line in path.read_text().splitlines()]
    assert max(map(len, lines)) == 100


def test_names_are_printed_as_they_are(build_run: Build) -> None:
    """Brackets and colons in what a run says of itself are no markup."""
    run_dir = build_run(status="failed", status_detail="[bold]:fire:[/bold]")
    assert "the run failed: [bold]:fire:[/bold]\n" in report_text(findings(run_dir))


def test_the_quiesce_ladder_shows_what_let_go(build_run: Build) -> None:
    """One row a rung, by arm; a reading that is missing is a dash, and without a ladder there is no table."""
    run_dir = build_run()
    assert "Quiesce ladder" not in report_text(findings(run_dir))
    path = run_dir / "fixed" / "samples.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    planted = (
        ("drained", "80740352", "3145728"),
        ("collected", "70254592", "4194304"),
        ("trimmed", "65011712", ""),
    )
    for rung, rss, free in planted:
        rows.append(
            {**rows[-1], "rung": rung, "rss_bytes": rss, "malloc_free_bytes": free, "live_blocks": "1000"}
        )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = report_text(findings(run_dir)).splitlines()
    start = lines.index("Quiesce ladder after the load") + 3
    assert [line.split()[:4] + line.split()[5:6] for line in lines[start : start + 3]] == [
        ["fixed", "drained", "77.0", "1,000", "3.0"],
        ["fixed", "collected", "67.0", "1,000", "4.0"],
        ["fixed", "trimmed", "62.0", "1,000", "-"],
    ]


def test_what_grew_is_told_with_who_holds_it(build_run: Build) -> None:
    """The four leaks of one arm in order of bytes, nothing of the other; what was never named says why."""
    run_dir = build_run(incident=False, kill_hour=None)
    unnamed = Container(0x7F0000000090, "collections.deque", lambda n: n / 50)
    types = {"builtins.dict": (lambda n: 2 * n, 300.0), "_asyncio.Task": (lambda n: n, 200.0)}
    write_heap(run_dir / "leaky", (*FOUR_LEAKS, unnamed), types)
    write_heap(run_dir / "fixed", [Container(0x10, "builtins.dict", partial(min, 5000), "app.cache", 100)])
    found = findings(run_dir)
    assert render(suspect_parts(found.growth)) == (EXPECTED / "growth.txt").read_text()
    tables = (*suspect_tables(found.growth), *type_tables(found.growth))
    assert (
        "\n".join(line for table in tables for line in section(table)) + "\n"
        == (EXPECTED / "growth.md").read_text()
    )
    assert render(suspect_parts(found.growth)).strip() in report_text(found)


def test_rates_are_per_hour_where_requests_are_not_known(build_run: Build) -> None:
    """What was attached to has a load of its own, which nobody counted."""
    run_dir = build_run(incident=False, kill_hour=None)
    (run_dir / "leaky" / "requests.csv").unlink()
    write_heap(run_dir / "leaky", FOUR_LEAKS[2:3])
    text = render(suspect_parts(findings(run_dir).growth))
    assert "Leak suspects in leaky, per hour\n" in text
    assert "unbounded cache or list   288,000   1.1 GiB" in text


def test_a_share_that_is_missing_is_explained(build_run: Build) -> None:
    """Of a container that grows in an arm whose memory does not there is none, though its bytes are known."""
    run_dir = build_run(incident=False, kill_hour=None, after_growth_bytes=0.0)
    write_heap(run_dir / "fixed", FOUR_LEAKS[2:3])
    _, table = suspect_tables(findings(run_dir).growth)
    (row,) = table.rows
    assert [row[table.head.index(name)] for name in ("bytes", "share")] == ["3.9 KiB", ""]
    assert table.note == "No share: the memory of fixed does not grow."
    unknown = replace(findings(run_dir).growth[1], rate_known=False)
    assert suspect_tables((unknown,))[0].note == "No share: how fast the memory of fixed grows is not known."


def test_the_processes_of_an_arm_are_told_by_who_grows(build_run: Build) -> None:
    """Three workers of which one leaks; and an arm of more processes than are judged, two of them short-lived."""
    run_dir = build_run(incident=False, kill_hour=None)
    steady, leak = PlantedProcess(noise_bytes=0.0), PlantedProcess(rss_bytes=1000.0, noise_bytes=0.0)
    write_processes(run_dir, "leaky", (steady, steady, leak, steady))
    many = [replace(steady, rss_bytes=1.0 / life) for life in range(1, 11)]
    brief = (replace(leak, from_s=100.0), replace(leak, from_s=40.0, to_s=90.0), replace(leak, to_s=24.0))
    write_processes(run_dir, "fixed", (*many, *brief))
    found = findings(run_dir)
    text = render([part for table in process_tables(found) for part in captioned(table)])
    assert text == (EXPECTED / "processes.txt").read_text()
    assert text in report_text(found)
