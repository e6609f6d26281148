from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soak.cli.commands import app
from soak.errors import exit_on_error
from soak.recording.files import record_sums


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run without a report."""
    directory = tmp_path / "20260101-demo"
    directory.mkdir()
    manifest = {
        "run_id": directory.name,
        "profile": "demo",
        "started_wall_time": "2026-01-01T00:00:00Z",
        "status": "complete",
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def test_verify_answers_by_its_exit_code(run_dir: Path) -> None:
    """4 before there are hashes, 0 with them, 4 after a change."""
    codes = [CliRunner().invoke(app, ["verify", str(run_dir)]).exit_code]
    record_sums(run_dir, {})
    codes.append(CliRunner().invoke(app, ["verify", str(run_dir)]).exit_code)
    (run_dir / "events.csv").write_text("")
    codes.append(CliRunner().invoke(app, ["verify", str(run_dir)]).exit_code)
    assert codes == [4, 0, 4]


def test_runs_are_listed_for_people_and_programs(run_dir: Path) -> None:
    """The same runs in a table and in JSON; listing is no verdict, so its exit code is 0."""
    table = CliRunner().invoke(app, ["list", "--runs", str(run_dir.parent)])
    listed = CliRunner().invoke(app, ["list", "--runs", str(run_dir.parent), "--json"])
    assert (table.exit_code, listed.exit_code) == (0, 0)
    assert "20260101-demo" in table.output
    assert [run["run"] for run in json.loads(listed.output)] == ["20260101-demo"]


def test_output_that_cannot_be_written_is_a_sentence(run_dir: Path) -> None:
    """A full disk is told, a reader that has left is not; neither is a traceback."""
    command = [sys.executable, "-m", "soak", "list", "--runs", str(run_dir.parent)]
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as left:
        assert left.stdout is not None
        assert left.stderr is not None
        left.stdout.close()
        silent = left.stderr.read()
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert told.stderr.startswith("soak: the disk or the quota is full")
    assert (left.returncode, silent) == (1, "")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "demo", "--runs", "CIRCLE"],
        ["run", "demo", "--runs", "CIRCLE/runs"],
        ["attach", "--pid", str(os.getpid()), "--for", "1s", "--runs", "CIRCLE"],
        ["replay", "CIRCLE"],
        ["run", "CIRCLE/mine.toml"],
    ],
)
def test_a_circle_of_links_is_a_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2, whatever the command does with the path."""
    (tmp_path / "circle").symlink_to("elcric")
    (tmp_path / "elcric").symlink_to("circle")
    monkeypatch.setattr("soak.cli.run.enter_scope", lambda: None)
    monkeypatch.setattr("soak.cli.replay.enter_scope", lambda: None)
    circle = str(tmp_path / "circle")
    with pytest.raises(SystemExit) as raised:
        exit_on_error(lambda: app([word.replace("CIRCLE", circle) for word in words], standalone_mode=False))
    assert raised.value.code == 2
    [told] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("soak: ")]
    assert circle in told
