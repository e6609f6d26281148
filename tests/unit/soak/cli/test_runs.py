from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soak.cli.runs import list_runs, listing_json, listing_table
from soak.errors import UsageError
from soak.recording.files import record_sums

EXPECTED = """\
run                   profile   started (UTC)         load   status     decision   verdicts
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
20260105-torn                                                broken                manifest.json is not readable
                                                                                   (Expecting value: line 1 column 1
                                                                                   (char 0))
20260104-empty                                               broken                manifest.json is missing
20260103-unreported   demo      2026-01-01 02:03   0:03:00   running               no report
20260102-stale        demo      2026-01-01 02:03   0:03:00   complete              the report is older than the run's
                                                                                   end; make it again with soak report
20260101-signed       demo      2026-01-01 02:03   6:00:01   complete   signed     old: LEAK
                                                                                   new: NO LEAK
"""


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def manifest(run: str, status: str) -> dict[str, Any]:
    started = "2026-01-01T02:03:04+00:00"
    return {
        "run_id": run,
        "profile": "demo",
        "started_wall_time": started,
        "status": status,
        "planned_load_s": 180,
    }


def summary(status: str) -> dict[str, Any]:
    return {
        "status": status,
        "phases": [{"name": "load", "start_s": 20.0, "end_s": 20.0 + 6 * 3600 + 1}],
        "signoff": {"decision": "signed"},
        "verdicts": [{"arm": "old", "verdict": "leak"}, {"arm": "new", "verdict": "no_leak"}],
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs in every state that one can be found in, a link to the latest, and what is no run."""
    directory = tmp_path / "runs"
    write(directory / "20260101-signed" / "manifest.json", manifest("20260101-signed", "complete"))
    write(directory / "20260101-signed" / "report" / "summary.json", summary("complete"))
    write(directory / "20260102-stale" / "manifest.json", manifest("20260102-stale", "complete"))
    write(directory / "20260102-stale" / "report" / "summary.json", summary("running"))
    write(directory / "20260103-unreported" / "manifest.json", manifest("20260103-unreported", "running"))
    (directory / "20260104-empty").mkdir()
    (directory / "20260105-torn").mkdir()
    (directory / "20260105-torn" / "manifest.json").write_text("")
    (directory / "latest").symlink_to("20260103-unreported")
    (directory / "notes.txt").write_text("no run")
    return directory


def test_runs_are_listed_with_what_became_of_them(runs: Path) -> None:
    """Newest first; what is broken, unfinished or out of date says so, and the link is no run of its own."""
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(listing_table(list_runs(runs), runs))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert "\n".join(lines) + "\n" == EXPECTED


def test_the_list_is_there_for_programs(runs: Path) -> None:
    """Verdicts by arm, and null for a length that is not known."""
    listed = json.loads(listing_json(list_runs(runs)))
    assert listed[-1] == {
        "run": "20260101-signed",
        "profile": "demo",
        "started": "2026-01-01T02:03:04+00:00",
        "load_s": 21601.0,
        "status": "complete",
        "decision": "signed",
        "verdicts": {"old": "leak", "new": "no_leak"},
        "note": "",
    }
    assert listed[0]["load_s"] is None


@pytest.mark.parametrize(
    "content", ["[]", '{"run_id": 1}', '{"phases": 3, "status": "complete"}', "\x00", "[" * 99999]
)
def test_no_file_breaks_the_list(runs: Path, content: str) -> None:
    """Whatever stands in a manifest or a summary, the others are still listed, and this one with a reason."""
    (runs / "20260101-signed" / "report" / "summary.json").write_text(content)
    (runs / "20260102-stale" / "manifest.json").write_text(content)
    listed = {one.run: one for one in list_runs(runs)}
    assert len(listed) == 5
    assert listed["20260101-signed"].note
    assert (listed["20260102-stale"].status, listed["20260101-signed"].decision) == ("broken", "")


def test_a_run_that_was_killed_has_the_verdicts_of_its_report(runs: Path) -> None:
    """Its manifest states for good that it is running, and so does a report that is made of it."""
    write(runs / "20260103-unreported" / "report" / "summary.json", summary("running"))
    listed = {one.run: one for one in list_runs(runs)}["20260103-unreported"]
    assert (listed.status, listed.decision, listed.note) == ("running", "signed", "")


def test_a_run_that_was_changed_is_inconclusive(runs: Path) -> None:
    """The decision of its report no longer stands, and the file is named."""
    record_sums(runs / "20260101-signed", {})
    assert list_runs(runs)[-1].decision == "signed"
    write(runs / "20260101-signed" / "new" / "samples.csv", "added")
    listed = list_runs(runs)[-1]
    assert (listed.decision, listed.verdicts) == ("inconclusive", {})
    assert listed.note == "new/samples.csv was added: SHA256SUMS does not list it"


@pytest.mark.parametrize("planned", ["NaN", "1e400", "1" + "0" * 400, "-1", '"180"', "true", "[]", "null"])
def test_a_length_that_is_none_breaks_no_list(runs: Path, planned: str) -> None:
    """What is no JSON makes that run broken; a number that is no duration, or no number, is not known."""
    path = runs / "20260103-unreported" / "manifest.json"
    path.write_text(path.read_text().replace("180", planned))
    listed = {one.run: one for one in list_runs(runs)}
    assert len(listed) == 5
    assert listed["20260103-unreported"].load_s is None
    is_json = planned not in {"NaN", "1e400", "1" + "0" * 400}
    assert (listed["20260103-unreported"].status == "broken") is not is_json


@pytest.mark.parametrize("name", ["manifest.json", "report/summary.json", "SHA256SUMS"])
@pytest.mark.parametrize("kind", ["fifo", "endless", "directory"])
def test_a_file_that_is_none_is_one_line_of_the_list(runs: Path, name: str, kind: str) -> None:
    """It is not waited for and not read without end; the others are listed."""
    path = runs / "20260101-signed" / name
    path.unlink(missing_ok=True)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    listed = {one.run: one for one in list_runs(runs)}
    assert len(listed) == 5
    assert (listed["20260101-signed"].decision == "signed") is False
    kinds = {"fifo": "a FIFO", "endless": "a link", "directory": "a directory"}
    assert f"(it is {kinds[kind]}, not a regular file)" in listed["20260101-signed"].note


def test_markup_in_a_name_is_no_markup(runs: Path) -> None:
    """What a run calls itself is printed as it is."""
    write(runs / "20260101-signed" / "manifest.json", manifest("x", "complete") | {"profile": "[red]x[/]"})
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(listing_table(list_runs(runs), runs))
    assert "[red]x[/]" in capture.get()


def test_no_runs_and_no_directory(tmp_path: Path) -> None:
    """An empty directory is no error; one that is not there is, and the fix is named."""
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(listing_table(list_runs(tmp_path), tmp_path))
    assert capture.get().replace("\n", "") == f"No run in {tmp_path}."
    with pytest.raises(UsageError, match="no such directory; give the directory of the runs with --runs"):
        list_runs(tmp_path / "nowhere")
