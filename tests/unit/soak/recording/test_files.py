from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soak.errors import UsageError
from soak.recording.files import new_run_directory, write_manifest


def test_run_directories_never_meet_and_latest_is_the_newest(tmp_path: Path) -> None:
    """Two runs in one second get two directories."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = new_run_directory(tmp_path / "runs", "demo", now)
    second = new_run_directory(tmp_path / "runs", "demo", now)
    assert [first.name, second.name] == ["20260102-030405-demo", "20260102-030405-demo-2"]
    assert (tmp_path / "runs" / "latest").resolve() == second


def test_runs_that_cannot_be_made_are_an_error_of_ours(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match=r"no run directory can be made there .* by --runs"):
        new_run_directory(tmp_path / "runs", "demo", datetime.now(UTC))


def test_a_manifest_is_replaced_whole(tmp_path: Path) -> None:
    """A reader sees the old or the new one."""
    write_manifest(tmp_path, {"status": "running"})
    write_manifest(tmp_path, {"status": "complete"})
    [path] = tmp_path.iterdir()
    assert path.name == "manifest.json"
    assert json.loads(path.read_text()) == {"status": "complete"}


@pytest.mark.parametrize("is_directory", [False, True])
def test_a_latest_that_is_no_link_is_left_alone(tmp_path: Path, *, is_directory: bool) -> None:
    """A file or directory of that name is someone's own: nothing is made, and the message has the fix."""
    latest = tmp_path / "latest"
    if is_directory:
        latest.mkdir()
    else:
        latest.write_text("mine")
    with pytest.raises(UsageError, match=r"/latest: it is no link to the newest run .* give another --runs"):
        new_run_directory(tmp_path, "demo", datetime.now(UTC))
    assert list(tmp_path.iterdir()) == [latest]


def test_a_path_that_is_not_utf_8_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Its manifest would be read by nothing."""
    runs = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match="the path is not UTF-8"):
        new_run_directory(runs, "demo", datetime.now(UTC))
    assert not runs.exists()
