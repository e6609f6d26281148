from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soak.cli.verify import verify
from soak.contract import hashes
from soak.contract.hashes import UNLISTED, check, first_difference, outdated_report, summary_difference
from soak.contract.replay import manifest_text
from soak.errors import HarnessError, RecordingError
from soak.recording.files import amend, record_sums
from tests.support.ended_run import write_ended_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory whose run has ended."""
    return write_ended_run(tmp_path / "run")


def test_the_hashes_are_of_the_evidence_alone(run_dir: Path) -> None:
    """Every recording, sorted, as sha256sum writes it; not the report and not the verdict so far."""
    lines = (run_dir / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        "events.csv",
        "logs/new.log",
        "manifest.json",
        "new/samples.csv",
    ]
    assert lines[0].split()[0] == hashlib.sha256(b"t_s\n").hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_checks_them_too(run_dir: Path) -> None:
    """Nobody needs soakproof to see that a recording is whole."""
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    assert subprocess.run(command, cwd=run_dir, capture_output=True, check=False, timeout=30).returncode == 0
    (run_dir / "events.csv").write_text("t_s\n2\n")
    assert subprocess.run(command, cwd=run_dir, capture_output=True, check=False, timeout=30).returncode == 1


def test_a_replay_that_goes_on_changes_no_recording(run_dir: Path) -> None:
    """The run is judged by what it recorded, also where its replay is killed; a log of the run's own is a change."""
    for name in ("new/replay.csv", "new/sites.csv", "logs/replay-python-arm.log"):
        (run_dir / name).write_text("x\n")
    assert check(run_dir).differences == ()
    (run_dir / "logs" / "late.log").write_text("x\n")
    assert "logs/late.log was added" in check(run_dir).differences[0]


def test_hashes_are_amended_by_what_came_since_and_hide_no_change(run_dir: Path) -> None:
    (run_dir / "new" / "sites.csv").write_text("x\n")
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    amend(run_dir, {"status": "complete", "replay": {}})
    assert [file.name for file in check(run_dir).files if not file.problem] == [
        "events.csv",
        "logs/new.log",
        "manifest.json",
        "new/sites.csv",
    ]
    assert "new/samples.csv was changed" in check(run_dir).differences[0]


def test_hashes_that_cannot_be_amended_leave_the_earlier_manifest(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_file(path: Path, content: bytes) -> None:
        if path.name == "SHA256SUMS":
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr("soak.regular_files.replace_file", replace_file)
    with pytest.raises(HarnessError, match="No space left"):
        amend(run_dir, {"replay": {}})
    assert check(run_dir).differences == ()


def killed_between(run_dir: Path, manifest: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Amend a recording, and be killed when the manifest is replaced and its hash is not written yet."""

    class Killed(BaseException):
        pass

    def replace_file(path: Path, content: bytes) -> None:
        if path.name == "SHA256SUMS":
            raise Killed
        path.write_bytes(content)

    with monkeypatch.context() as patched:
        patched.setattr("soak.regular_files.replace_file", replace_file)
        with pytest.raises(Killed):
            amend(run_dir, manifest)


@pytest.mark.parametrize("earlier", [{}, {"replay": {}}])
def test_a_kill_within_the_amending_changes_no_recording(
    tmp_path: Path, earlier: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the manifest had of a replay before; the next amending lists what this one did not."""
    manifest = {"status": "complete", "hashed": True, **earlier}
    run_dir = write_ended_run(tmp_path / "run", manifest_text(manifest))
    (run_dir / "new" / "sites.csv").write_text("x\n")
    killed_between(run_dir, {**manifest, "replay": {"new": {"status": "done"}}}, monkeypatch)
    assert (check(run_dir).differences, first_difference(run_dir)) == ((), "")
    [unlisted] = [file for file in check(run_dir).files if file.name == "manifest.json"]
    assert (unlisted.problem, unlisted.found == unlisted.recorded) == (UNLISTED, False)
    found = verify(run_dir)
    assert found.exit_code == 0
    assert "left by a replay that goes on or was killed: manifest.json" in found.text
    amend(run_dir, {**manifest, "replay": {"new": {"status": "done"}}})
    assert [file.problem for file in check(run_dir).files] == [""] * 5


@pytest.mark.parametrize(
    "forged",
    [
        manifest_text({"status": "complete", "hashed": False, "replay": {}}),
        manifest_text({"hashed": True, "status": "complete", "replay": {}}),
        json.dumps({"status": "complete", "hashed": True, "replay": {}}),
        manifest_text({"status": "complete", "hashed": True, "replay": {}}).replace("{", '{"hashed": false,', 1),
        json.dumps({"status": "complete", "hashed": True}),
        '["replay"]', "3", '{"status": ', "\xff",
    ],
)  # fmt: skip
def test_another_manifest_with_a_replay_is_a_change(tmp_path: Path, forged: str) -> None:
    """The replay is the only thing that may be added, as a run writes it: every other fact is compared."""
    run_dir = write_ended_run(tmp_path / "run", manifest_text({"status": "complete", "hashed": True}))
    (run_dir / "manifest.json").write_text(forged, encoding="latin-1")
    changed = "manifest.json was changed: its SHA-256 is not that in SHA256SUMS"
    assert check(run_dir).differences == (changed,)
    assert first_difference(run_dir) == changed


def test_hashes_that_cannot_be_written_are_an_error(run_dir: Path) -> None:
    """A full disk is one sentence."""
    (run_dir / "SHA256SUMS").unlink()
    (run_dir / "SHA256SUMS").mkdir()
    with pytest.raises(HarnessError, match="SHA256SUMS: cannot be written"):
        record_sums(run_dir, {})


def test_a_recording_left_alone_has_no_difference(run_dir: Path) -> None:
    """The report, the verdict so far, the statement and signatures of it and of the hashes are no evidence."""
    for name in (
        "report/report.html",
        "live.json",
        "test-result.json",
        "test-result.json.sig",
        "SHA256SUMS.asc",
    ):
        (run_dir / name).write_text("new")
    found = check(run_dir)
    assert (found.differences, first_difference(run_dir)) == ((), "")
    assert [file.name for file in found.files if file.found == file.recorded] == [
        "events.csv",
        "logs/new.log",
        "manifest.json",
        "new/samples.csv",
    ]
    assert found.sums == hashlib.sha256((run_dir / "SHA256SUMS").read_bytes()).hexdigest()


def test_every_difference_is_a_clause_that_names_the_file(run_dir: Path) -> None:
    """Changed, missing, replaced by a link or a FIFO, and added; an added file that no report reads is none."""
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    (run_dir / "logs" / "new.log").unlink()
    (run_dir / "events.csv").unlink()
    os.mkfifo(run_dir / "events.csv")
    (run_dir / "new" / "census.csv").write_text("")
    (run_dir / "notes.txt").write_text("mine")
    assert check(run_dir).differences == (
        "events.csv is missing, but SHA256SUMS lists it",
        "logs/new.log is missing, but SHA256SUMS lists it",
        "new/census.csv was added: SHA256SUMS does not list it",
        "new/samples.csv was changed: its SHA-256 is not that in SHA256SUMS",
    )
    assert first_difference(run_dir) == check(run_dir).differences[0]


@pytest.mark.parametrize("text", ["", "nonsense\n", "\xff", f"{'0' * 64}  a\n{'1' * 64}  a\n"])
def test_hashes_that_are_damaged_are_a_difference(run_dir: Path, text: str) -> None:
    """Nothing can be compared with them, and the recording is not taken as it is."""
    (run_dir / "SHA256SUMS").write_text(text, encoding="latin-1")
    [difference] = check(run_dir).differences
    assert difference.startswith("SHA256SUMS is damaged")
    assert first_difference(run_dir) == difference


def test_hashes_that_were_removed_are_a_difference(run_dir: Path) -> None:
    """Where the manifest of a run that has ended states that it wrote them; an older recording has none."""
    (run_dir / "SHA256SUMS").unlink()
    assert check(run_dir).differences == ()
    (run_dir / "manifest.json").write_text('{"hashed": true, "status": "running"}')
    assert check(run_dir).differences == ()
    (run_dir / "manifest.json").write_text('{"hashed": true, "status": "complete"}')
    missing = "SHA256SUMS is missing: it was removed, or the run was killed before it wrote it"
    assert check(run_dir).differences == (missing,)
    assert first_difference(run_dir) == missing


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed, as they are."""
    names: list[str] = []
    whole = hashes._sha256

    def sha256(path: Path, pause: Callable[[], object] = lambda: None) -> str:
        names.append(path.name)
        return whole(path, pause)

    monkeypatch.setattr(hashes, "_sha256", sha256)
    hashes._hash_once.cache_clear()
    return names


def ended_run(run_dir: Path, after: timedelta = timedelta()) -> Path:
    """Return the run directory, with events by which the run ended so long after its files were written."""
    end = datetime.now(UTC) + after
    (run_dir / "events.csv").write_text(f"t_s,wall_time,event\n9.000,{end.isoformat()},run_end\n")
    record_sums(run_dir, {})
    while after <= timedelta() and (run_dir / "SHA256SUMS").stat().st_ctime < end.timestamp():
        (run_dir / "SHA256SUMS").touch()  # the clock of the file system goes by ticks
    return run_dir


def test_a_list_hashes_only_what_was_touched_and_once(run_dir: Path, hashed: list[str]) -> None:
    """The events, by which the run's end is known, and what was touched since then; again when it is touched again."""
    ended_run(run_dir)
    hashed.clear()
    assert (first_difference(run_dir), hashed) == ("", ["events.csv"])
    assert (first_difference(run_dir), hashed) == ("", ["events.csv"])
    touch_after(run_dir / "events.csv", run_dir / "SHA256SUMS")
    assert (first_difference(run_dir), hashed) == ("", ["events.csv", "events.csv"])


def test_a_copy_is_hashed_whole(run_dir: Path, hashed: list[str]) -> None:
    """Its inodes are newer than the run; so is a file that was changed, whatever was touched after it."""
    ended_run(run_dir, timedelta(seconds=-1))
    hashed.clear()
    assert first_difference(run_dir) == ""
    assert hashed == ["events.csv", "new.log", "manifest.json", "samples.csv"]
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    (run_dir / "SHA256SUMS").touch()
    assert first_difference(run_dir).startswith("new/samples.csv was changed")


def test_a_clock_that_is_behind_hides_no_change(run_dir: Path) -> None:
    """The run ends, by its events, after SHA256SUMS was written: the times of the files tell nothing."""
    ended_run(run_dir, timedelta(minutes=5))
    assert first_difference(run_dir) == ""
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    assert first_difference(run_dir).startswith("new/samples.csv was changed")


def test_events_of_another_end_are_a_difference(run_dir: Path) -> None:
    """A later end by which nothing would be hashed again is itself a changed file."""
    ended_run(run_dir, timedelta(seconds=-1))
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds")
    (run_dir / "events.csv").write_text(f"t_s,wall_time,event\n9.000,{end},run_end\n")
    assert first_difference(run_dir).startswith("events.csv was changed")


def touch_after(path: Path, other: Path) -> None:
    """Touch a file until its inode is newer than that of another by the clock of the file system."""
    while path.stat().st_ctime_ns <= other.stat().st_ctime_ns:
        path.touch()


def test_what_no_run_makes_breaks_no_hashes_and_is_named(run_dir: Path) -> None:
    """A file with a line break in its name, links and a FIFO are no recording; `soak verify` tells of them."""
    (run_dir / "two\nlines.csv").write_text("")
    (run_dir / os.fsdecode(b"\xff.csv")).write_text("")
    (run_dir / "old").symlink_to("new")
    os.mkfifo(run_dir / "logs" / "pipe")
    record_sums(run_dir, {})
    assert (check(run_dir).differences, first_difference(run_dir)) == ((), "")
    found = verify(run_dir)
    assert found.exit_code == 4
    assert found.text.splitlines()[1:] == [
        f"- made by no run: {name}" for name in ("logs/pipe", "old", r"two\nlines.csv", r"\udcff.csv")
    ]


def test_names_in_hashes_obey_no_terminal(run_dir: Path) -> None:
    """A received recording clears no screen: a line that is not printable is damage, as no run writes one."""
    with (run_dir / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  x\x1b[2J\x1b[HOK\n")
    with pytest.raises(RecordingError, match="damaged in line 5"):
        verify(run_dir)
    assert check(run_dir).differences == ("SHA256SUMS is damaged in line 5",)


def test_a_file_that_holds_what_was_not_written_is_a_change(run_dir: Path) -> None:
    """The hash is that of the rows that were written: a process that the run judges can rewrite none of them."""
    own = hashlib.sha256(b"t_s\n1\n").hexdigest()
    (run_dir / "new" / "samples.csv").write_text("t_s\n0\n")
    record_sums(run_dir, {"new/samples.csv": own})
    assert [one.split()[0] for one in check(run_dir).differences] == ["new/samples.csv"]
    (run_dir / "new" / "samples.csv").unlink()
    record_sums(run_dir, {"new/samples.csv": own})
    assert check(run_dir).differences == ("new/samples.csv is missing, but SHA256SUMS lists it",)


def test_what_a_killed_writer_left_is_no_evidence(run_dir: Path) -> None:
    """Half of a file; and the files of a replay that was killed are named, no difference."""
    for name in (".SHA256SUMS.12-34.partial", ".manifest.json.12-34.partial", "new/.sites.csv.12-34.partial"):
        (run_dir / name).write_text("half")
    assert verify(run_dir).text == f"OK: {run_dir}: all 4 files are as the run left them."
    (run_dir / "new" / "replay.csv").write_text("t_s\n")
    found = verify(run_dir)
    assert (found.exit_code, found.text.splitlines()[1:]) == (
        0,
        ["- left by a replay that goes on or was killed: new/replay.csv"],
    )


def state(run_dir: Path, summary: str | None) -> None:
    """Write a statement about a summary of this text; of None one of an older version, without its hash."""
    digest = {"sha256": hashlib.sha256((summary or "").encode()).hexdigest()}
    sums = {"sha256": hashlib.sha256((run_dir / "SHA256SUMS").read_bytes()).hexdigest()}
    of_summary = {"summary": {"name": "report/summary.json", "digest": digest}}
    statement = {
        "subject": [{"name": "SHA256SUMS", "digest": sums}],
        "predicate": {"result": "PASSED", "soakproof": {} if summary is None else of_summary},
    }
    (run_dir / "test-result.json").write_text(json.dumps(statement))


def test_a_summary_that_is_not_the_one_stated_is_a_difference_but_none_of_the_recording(
    run_dir: Path,
) -> None:
    """Lists and `soak verify` name it; a report, which is made of the recording, is made as before."""
    state(run_dir, "{}")
    assert (first_difference(run_dir), verify(run_dir).exit_code) == ("", 0)
    state(run_dir, '{"decision": "failed"}')
    assert first_difference(run_dir).startswith("report/summary.json was changed: ")
    assert verify(run_dir).exit_code == 4
    assert check(run_dir).differences == ()


def test_a_statement_about_another_recording_is_a_difference(run_dir: Path) -> None:
    """The report of another run, as a copy in parts leaves it, is no result of this one."""
    state(run_dir, "{}")
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    record_sums(run_dir, {})
    another = "test-result.json is about another recording: it has another SHA256SUMS; make the report again"
    assert first_difference(run_dir) == another
    assert verify(run_dir).text.splitlines()[1:] == [f"- {another}"]


def test_a_summary_without_a_hash_is_as_it_is(run_dir: Path) -> None:
    """Of a run without a statement, with a damaged one or one of an older version, or whose report was removed."""
    assert summary_difference(run_dir) == ""
    for text in ("", "[", "\0", '{"predicate": 3}'):
        (run_dir / "test-result.json").write_text(text)
        assert (summary_difference(run_dir), verify(run_dir).exit_code) == ("", 0)
    state(run_dir, None)
    assert (summary_difference(run_dir), verify(run_dir).exit_code) == ("", 0)
    state(run_dir, '{"decision": "failed"}')
    (run_dir / "report" / "summary.json").unlink()
    assert (summary_difference(run_dir), verify(run_dir).exit_code) == ("", 0)


def test_a_summary_that_cannot_be_read_is_a_difference(run_dir: Path) -> None:
    """A link in its place is not followed."""
    state(run_dir, "{}")
    (run_dir / "report" / "summary.json").unlink()
    (run_dir / "report" / "summary.json").symlink_to("/dev/zero")
    assert first_difference(run_dir).startswith("report/summary.json is not readable (it is a link")


@pytest.mark.parametrize(
    ("run", "report", "is_whole"),
    [("complete", "complete", True), ("running", "running", True), ("complete", "running", False),
     ("interrupted", None, False)],
)  # fmt: skip
def test_a_report_is_of_the_whole_run_where_it_has_its_status(
    run: str, report: str | None, *, is_whole: bool
) -> None:
    """One that was made while the run went on, as after a load of the web UI, is older than its end."""
    assert (outdated_report(run, report) == "") is is_whole
