"""``soak history``: the page, the table and what is printed."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from analysis.commands.history import write_history as make_history
from soak.errors import HarnessError
from tests.support.planted_history import summary, write_history, write_summary

LEAK_FROM_THE_SIXTH = [1.0, -2.0, 3.0, 0.0, 2.0, 1000.0, 1010.0, 990.0, 1005.0, 995.0]
EXPECTED = """\
new: LEAK in the newest of 10 runs, 5 with a leak; leak rate changed with run-06.

run      build        verdict   leak                       RSS at end     p99
─────────────────────────────────────────────────────────────────────────────
run-10   aaaaaaaaaa   LEAK      995 B/request (985 B to      66.8 MiB   13 ms
                                1,005 B)
"""


def rows(runs: Path) -> list[dict[str, str]]:
    with (runs / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_leak_that_begins_with_the_sixth_of_ten_runs_is_named(tmp_path: Path) -> None:
    """In the first line, on the page, and in the row of that run."""
    written = make_history(write_history(tmp_path, LEAK_FROM_THE_SIXTH))
    assert written.text.startswith(EXPECTED)
    assert "run-05   5555555555   NO LEAK   < 12 B/request" in written.text
    line = "leak rate: changed with run-06 (build 6666666666) from 0.8 B/request to 1,000 B/request, p = 0."
    assert line in written.text
    assert "p99: no change." in written.text
    assert line in (tmp_path / "history.html").read_text()
    assert [row["changed"] for row in rows(tmp_path)] == [""] * 5 + ["leak rate"] + [""] * 4
    assert [row["verdict"] for row in rows(tmp_path)] == ["no_leak"] * 5 + ["leak"] * 5
    assert written.exit_code == 0


def test_a_figure_that_was_not_searched_is_named_beside_no_change(tmp_path: Path) -> None:
    """Of 12 runs 4 have a leak rate: nothing was found, and the rate was not looked at."""
    for number in range(1, 13):
        content = summary(number, 0.0)
        if number > 4:
            content["verdicts"][1]["signals"] = []
        write_summary(tmp_path, f"run-{number:02}", content)
    first_line = make_history(tmp_path).text.splitlines()[0]
    assert "; no change found; too few runs to search for one in leak rate" in first_line


def test_a_directory_whose_name_is_no_text_is_a_run_too(tmp_path: Path) -> None:
    """Files of Linux have any bytes in their name: its report is linked by them, and escapes are shown."""
    (write_history(tmp_path, LEAK_FROM_THE_SIXTH) / "run-06").rename(tmp_path / os.fsdecode(b"run-\xff"))
    (tmp_path / os.fsdecode(b"run-\xff") / "report" / "report.html").touch()
    assert "leak rate changed with run-" in make_history(tmp_path).text
    page = (tmp_path / "history.html").read_text()
    assert 'href="./run-%FF/report/report.html"' in page
    assert "run-\\udcff" in page
    assert "run-\\udcff" in [row["run"] for row in rows(tmp_path)]


def test_a_history_of_one_run_is_a_page(tmp_path: Path) -> None:
    """It states how many runs are needed; so do summaries that lack RSS, latency and build."""
    content = summary(1, 0.0)
    for arm in content["arms"]:
        del arm["build"], arm["rss_end_bytes"]
        arm["latency_ms"] = None
    write_summary(tmp_path, "first", content)
    text = make_history(tmp_path).text
    assert "NO LEAK in the newest of 1 run; too few runs to search for changes (1 of 10)" in text
    assert "RSS at end: 0 with this figure; 10 comparable runs are needed." in text
    page = (tmp_path / "history.html").read_text()
    assert "not known of these runs" in page or "<svg" in page
    assert rows(tmp_path)[0]["build"] == ""


def test_a_run_without_a_rate_or_with_an_endless_interval_is_shown_without(tmp_path: Path) -> None:
    """As of a run that was not judged, or whose interval has no end."""
    content = summary(1, 0.0)
    content["verdicts"][1]["signals"] = []
    write_summary(tmp_path, "a", content)
    content = summary(2, 0.0)
    content["verdicts"][1]["signals"][1]["per_request"]["high"] = None
    write_summary(tmp_path, "b", content)
    make_history(tmp_path)
    assert [(row["rate"], row["rate_high"]) for row in rows(tmp_path)] == [("", ""), ("0.0", "")]


def test_all_text_of_a_run_is_escaped_and_nothing_is_loaded(tmp_path: Path) -> None:
    """A directory's name, a build and a profile may be anyone's."""
    wicked = "<script>alert(1)</script>"
    content = summary(1, 0.0, profile=wicked)
    content["arms"][1]["build"] = wicked
    (write_summary(tmp_path, "a&b 'c", content) / "report" / "report.html").touch()
    write_summary(tmp_path, "torn<b>", {})
    make_history(tmp_path)
    page = (tmp_path / "history.html").read_text()
    assert "<script" not in page
    assert "torn<b>" not in page
    assert 'href="./a%26b%20%27c/report/report.html"' in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """It names the directory and the command."""
    write_history(tmp_path, [0.0])
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(HarnessError, match="run soak history again"):
        make_history(tmp_path)
