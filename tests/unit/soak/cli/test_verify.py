"""What `soak verify` answers of a recording that was left alone, and of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.cli.verify import verify
from soak.errors import RecordingError
from tests.support.ended_run import write_ended_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory whose run has ended."""
    return write_ended_run(tmp_path / "run")


def test_a_recording_left_alone_is_verified(run_dir: Path) -> None:
    """A report made again and a verdict followed again change no evidence."""
    (run_dir / "report" / "summary.json").write_text("another")
    (run_dir / "live.json").unlink()
    found = verify(run_dir)
    assert found.text == f"OK: {run_dir}: all 4 files are as the run left them."
    assert found.exit_code == 0


def test_what_differs_is_named(run_dir: Path) -> None:
    """Changed, missing and added files are told apart, and the exit code is that of evidence that decides nothing."""
    (run_dir / "new" / "samples.csv").write_text("t_s\n2\n")
    (run_dir / "logs" / "new.log").unlink()
    (run_dir / "new" / "census.csv").write_text("")
    found = verify(run_dir)
    assert found.text.splitlines() == [
        f"NOT VERIFIED: {run_dir} is not what was recorded:",
        "- missing: logs/new.log",
        "- extra, recorded by no run: new/census.csv",
        "- changed: new/samples.csv",
    ]
    assert found.exit_code == 4


def test_a_link_is_no_recording(run_dir: Path) -> None:
    """A file that was moved away and linked to is missing, whatever it holds."""
    (run_dir / "events.csv").rename(run_dir.parent / "events.csv")
    (run_dir / "events.csv").symlink_to(run_dir.parent / "events.csv")
    assert "- missing: events.csv" in verify(run_dir).text


def test_very_many_differences_are_counted(run_dir: Path) -> None:
    """An answer stays readable."""
    for number in range(30):
        (run_dir / f"{number:02}.csv").write_text("")
    lines = verify(run_dir).text.splitlines()
    assert (len(lines), lines[-1]) == (22, "- and 10 more")


def test_a_run_that_was_cut_short_has_no_hashes(run_dir: Path) -> None:
    """Killed, still running, or older: it is not verified, and the answer says why."""
    (run_dir / "SHA256SUMS").unlink()
    found = verify(run_dir)
    assert found.text == (
        f"NOT VERIFIED: {run_dir} has no SHA256SUMS: the run goes on, was killed before it could write them, or is "
        "older than they are."
    )
    assert found.exit_code == 4


@pytest.mark.parametrize("text", ["", "nonsense\n", "0" * 63 + "  events.csv\n"])
def test_damaged_hashes_are_no_verdict(run_dir: Path, text: str) -> None:
    """They are neither right nor wrong: the line is named."""
    (run_dir / "SHA256SUMS").write_text(text)
    with pytest.raises(RecordingError, match="SHA256SUMS: damaged in line 1; restore"):
        verify(run_dir)


def test_another_directory_is_refused(tmp_path: Path) -> None:
    """Nothing is said of what is no run."""
    with pytest.raises(RecordingError, match=r"no run directory, it has no manifest\.json"):
        verify(tmp_path)
