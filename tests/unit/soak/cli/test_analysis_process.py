"""The analysis runs in a process of its own, started by the command line."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer

from soak.cli import analysis_process as module
from soak.cli.analysis_process import FailOn, finish
from soak.contract import MANIFEST
from soak.errors import EXIT_INTERRUPTED, CutShortError, HarnessError
from soak.process.spec import module_argv
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import Outcome
from tests.support.paths import ROOT


class ScriptedReport:
    """Stands for the process of the report: it ends with ``code`` after some looks, unless it is killed."""

    code = 3
    looks = 2
    on_look: Callable[[], None] = staticmethod(lambda: None)
    started: list[Sequence[str]] = []  # noqa: RUF012 - set anew for each test

    def __init__(self) -> None:
        self.left = self.looks
        self.killed = False

    @classmethod
    def start(
        cls, _name: str, argv: Sequence[str], _env: object
    ) -> tuple[ScriptedReport, socket.socket, int]:
        cls.started.append(argv)
        return cls(), socket.socket(), 1

    def poll(self) -> int | None:
        self.on_look()
        self.left -= 1
        return -9 if self.killed else None if self.left > 0 else self.code

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedReport]:
    """Replace the report's process by one that ends with 3."""
    report: type[ScriptedReport] = type("Report", (ScriptedReport,), {"started": []})
    monkeypatch.setattr(module, "start_kept", report.start)
    return report


def test_the_exit_code_is_the_reports(report: type[ScriptedReport], tmp_path: Path) -> None:
    """What the report decides is what the command line returns."""
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None), StopRequest())
    assert caught.value.exit_code == 3
    assert report.started == [(sys.executable, "-P", "-m", "analysis", "report", str(tmp_path))]


@pytest.mark.parametrize(
    ("code", "fail_on", "expected"),
    [
        (0, "leak", 0),
        (1, "leak", 1),
        (2, "leak", 2),
        (3, "leak", 3),
        (4, "leak", 0),
        (3, "inconclusive", 3),
        (4, "inconclusive", 4),
    ],
)
def test_only_an_inconclusive_result_may_pass_as_a_success(
    report: type[ScriptedReport],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    code: int,
    fail_on: FailOn,
    expected: int,
) -> None:
    """``--fail-on leak`` turns exit code 4 into 0 and prints that it does; a leak and a failure keep their codes."""
    report.code = code
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None), StopRequest(), fail_on=fail_on)
    assert caught.value.exit_code == expected
    assert ("exit code 0 instead of 4" in capsys.readouterr().err) == (code != expected)


def test_what_ended_the_run_comes_after_its_report(report: type[ScriptedReport], tmp_path: Path) -> None:
    """The recording is worth a report however its run ended, and the run's error decides the exit code."""
    (tmp_path / MANIFEST).touch()
    with pytest.raises(CutShortError, match="gone"):
        finish(Outcome(tmp_path, CutShortError("gone")), StopRequest())
    assert len(report.started) == 1


def test_a_run_without_a_manifest_has_no_report(report: type[ScriptedReport], tmp_path: Path) -> None:
    """As on a disk that was full before the start: the error says it all."""
    with pytest.raises(HarnessError, match="no space"):
        finish(Outcome(tmp_path, HarnessError("no space")), StopRequest())
    assert report.started == []


def test_a_report_ended_by_a_signal_is_a_sentence(report: type[ScriptedReport], tmp_path: Path) -> None:
    """The recording is kept, and the message names the command for its report."""
    report.code = -9
    with pytest.raises(HarnessError, match=f"ended by signal 9; .* Run soak report {tmp_path}"):
        finish(Outcome(tmp_path, None), StopRequest())


def test_a_signal_while_the_report_is_made_names_the_command_for_later(
    report: type[ScriptedReport], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The run has ended by then, and hours of it are kept."""
    request = StopRequest()
    report.looks, report.on_look = 99, staticmethod(lambda: request.note("SIGTERM"))
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None), request)
    assert caught.value.exit_code == EXIT_INTERRUPTED
    assert f"Run soak report {tmp_path} for its report" in capsys.readouterr().err


def test_the_signal_that_ended_the_run_leaves_its_report_alone(
    report: type[ScriptedReport], tmp_path: Path
) -> None:
    """Only one more signal does not; it need not even come while the report is made."""
    now_s = 10.0
    request = StopRequest(lambda: now_s)
    request.note("SIGINT")
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None), request)
    assert caught.value.exit_code == 3
    now_s = 11.0
    request.note("SIGINT")
    with pytest.raises(typer.Exit) as caught:
        finish(Outcome(tmp_path, None), request)
    assert caught.value.exit_code == EXIT_INTERRUPTED
    assert len(report.started) == 1


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
        module_argv("analysis", "sign"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    commands = "report, judge, compare, history, requests, sites, ablation"
    assert done.stderr == f"soak: python -m analysis sign: no such command; there are {commands}.\n"
