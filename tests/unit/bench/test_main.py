from __future__ import annotations

from pathlib import Path

import pytest
import typer

from bench import __main__ as module
from bench.harness.estimate import Estimate, Finding, Goal


def test_a_table_that_cannot_be_written_was_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Minutes of measuring are not lost for a directory that is not there; the error is one line."""
    finding = Finding("one / other", Goal(0.9, at_least=True), "x", Estimate(1.0, 0.95, 1.05))
    monkeypatch.setattr(module, "measure", lambda *_: [finding])
    with pytest.raises(typer.Exit) as ended:
        module.bench(csv=tmp_path / "gone" / "bench.csv")
    assert ended.value.exit_code == 2
    printed = capsys.readouterr()
    assert "one / other" in printed.out
    assert printed.err.startswith("Error: [Errno 2]")
    assert printed.err.count("\n") == 1
