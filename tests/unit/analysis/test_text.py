from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analysis.findings import Findings, find
from analysis.markdown import claims_markdown, comparison_markdown
from analysis.recording import read_recording
from analysis.text import report_text

Build = Callable[..., Path]

EXPECTED = Path(__file__).parent / "expected"


def findings(run_dir: Path) -> Findings:
    """Return what the recording shows."""
    return find(read_recording(run_dir))


def test_the_incident_is_told_whole(build_run: Build) -> None:
    """The table, what does not reproduce, lives with the kill, slopes and load fit into 100 columns."""
    assert report_text(findings(build_run())) == (EXPECTED / "incident.txt").read_text()


def test_a_run_that_is_not_the_articles_is_told_without_it(build_run: Build) -> None:
    """Time is minutes of the run, slopes are per hour of the clock, and nothing is judged."""
    assert (
        report_text(findings(build_run(article=False, roles=("", ""), kill_hour=3.0)))
        == (EXPECTED / "plain.txt").read_text()
    )


def test_a_run_cut_short_says_why_it_is_inconclusive(build_run: Build) -> None:
    """What was recorded is told, and each reason against it stands at the end."""
    run_dir = build_run(status="interrupted", status_detail="Ctrl-C", end_s=41.0, probe=False)
    with (run_dir / "leaky" / "samples.csv").open("a") as samples:
        samples.write("41.0,2026")
    assert report_text(findings(run_dir)) == (EXPECTED / "interrupted.txt").read_text()


def test_the_comparison_as_markdown(build_run: Build) -> None:
    """Each row stands with its scale, its outcome and the rule."""
    assert comparison_markdown(findings(build_run())) == (EXPECTED / "incident.md").read_text()


def test_the_claims_as_markdown(build_run: Build) -> None:
    """Each claim stands with its figure, outcome and sentence; below are the moments of the article's log."""
    assert claims_markdown(findings(build_run())) == (EXPECTED / "claims.md").read_text()


def test_the_comparison_as_markdown_without_the_article(build_run: Build) -> None:
    """Columns that would be empty are left out."""
    assert comparison_markdown(findings(build_run(article=False))) == (EXPECTED / "plain.md").read_text()


def test_a_terminal_of_100_columns_is_enough() -> None:
    """No line of the expected texts is longer, and the tests above hold the report to them."""
    lines = [line for path in EXPECTED.glob("*.txt") for line in path.read_text().splitlines()]
    assert max(map(len, lines)) == 100


def test_names_are_printed_as_they_are(build_run: Build) -> None:
    """Brackets and colons in what a run says of itself are no markup."""
    run_dir = build_run(status="failed", status_detail="[bold]:fire:[/bold]")
    assert "the run failed: [bold]:fire:[/bold]\n" in report_text(findings(run_dir))
