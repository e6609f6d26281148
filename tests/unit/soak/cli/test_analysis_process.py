"""The analysis runs in a process of its own, started by the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from soak.cli.analysis_process import analysis_argv, finish
from soak.errors import CutShortError, HarnessError
from soak.supervisor.launch import Outcome
from tests.support.paths import ROOT


@pytest.fixture
def report_ends(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace the report's process by one that ends with 3; returns the command lines it got."""
    started: list[list[str]] = []

    def call(argv: list[str]) -> int:
        started.append(argv)
        return 3

    monkeypatch.setattr(subprocess, "call", call)
    return started


def test_the_exit_code_is_the_reports(report_ends: list[list[str]], tmp_path: Path) -> None:
    """What the report decides is what the command line returns."""
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None))
    assert caught.value.exit_code == 3
    assert report_ends == [[sys.executable, "-P", "-m", "analysis", "report", str(tmp_path)]]


def test_what_ended_the_run_comes_after_its_report(report_ends: list[list[str]], tmp_path: Path) -> None:
    """The recording is worth a report however its run ended, and the run's error decides the exit code."""
    with pytest.raises(CutShortError, match="gone"):
        finish(Outcome(tmp_path, CutShortError("gone")))
    assert len(report_ends) == 1


def test_a_report_ended_by_a_signal_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The recording is kept, and the message names the command for its report."""
    monkeypatch.setattr(subprocess, "call", lambda _: -9)
    with pytest.raises(HarnessError, match=f"ended by signal 9; .* Run soak report {tmp_path}"):
        finish(Outcome(tmp_path, None))


def test_ctrl_c_while_the_report_is_made_names_the_command_for_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The run has ended by then, and hours of it are kept."""

    def interrupt(_: list[str]) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        finish(Outcome(tmp_path, None))
    assert f"Run soak report {tmp_path} for its report" in capsys.readouterr().err


def test_the_words_of_a_command_reach_the_analysis(tmp_path: Path) -> None:
    """From a directory with an ``analysis`` of its own, too: ``soak judge --help`` is the analysis's help."""
    (tmp_path / "analysis.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "soak", "judge", "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: soak judge [OPTIONS]" in done.stdout
    assert "--rss-column" in done.stdout


def test_an_unknown_command_of_the_analysis_is_a_sentence() -> None:
    """Exit code 2, and the commands there are."""
    done = subprocess.run(
        analysis_argv("sign"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "soak: python -m analysis sign: no such command; there are report, judge, compare, ablation.\n"
    )
