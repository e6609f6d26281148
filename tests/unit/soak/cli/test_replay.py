"""``soak replay``: what its exit code says of the replay and of the report on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from soak.cli import replay as module
from soak.contract import ArmReplay
from soak.errors import EXIT_INTERRUPTED, HarnessError
from soak.replay.finished import Replayed
from soak.supervisor.ending import StopRequest


@contextmanager
def _no_signals() -> Iterator[StopRequest]:
    yield StopRequest()


def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, report: int | None) -> int:
    """Return the exit code after a replay that came to ``status``, and a report with that exit code."""
    found = Replayed(tmp_path, {"old": ArmReplay(status, "", 1.0, 1, ())})  # type: ignore[arg-type]
    monkeypatch.setattr(module, "enter_scope", lambda: None)
    monkeypatch.setattr(module, "noted_signals", _no_signals)
    monkeypatch.setattr(module, "replay_finished", lambda *_: found)
    monkeypatch.setattr(module, "run_analysis", lambda *_: report)
    with pytest.raises(typer.Exit) as raised:
        module.replay(tmp_path)
    return raised.value.exit_code


@pytest.mark.parametrize("report", [0, 3, 4])
@pytest.mark.parametrize(("status", "code"), [("done", 0), ("refused", 4), ("interrupted", EXIT_INTERRUPTED)])
def test_the_decision_on_the_run_is_none_on_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: int, status: str, code: int
) -> None:
    """An arm that leaks is why it is replayed."""
    assert _code(tmp_path, monkeypatch, status, report) == code


def test_a_replay_without_its_report_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, or failed: the replay is kept."""
    assert _code(tmp_path, monkeypatch, "done", None) == EXIT_INTERRUPTED
    for code, why in ((1, "exit code 1"), (-9, "killed by SIGKILL")):
        with pytest.raises(
            HarnessError, match=rf"The report failed \({why}\); the replay is kept. Run soak report"
        ):
            _code(tmp_path, monkeypatch, "done", code)
