from __future__ import annotations

import subprocess

import pytest
import typer

from bench.harness.ending import NOT_MEASURED, measuring
from soak.errors import HarnessError


@pytest.mark.parametrize(
    "error", [HarnessError("no server"), OSError("no disk"), subprocess.SubprocessError("no end")]
)
def test_what_cannot_be_measured_is_a_line_and_an_exit_code(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether our own code, the system or a process that was started says so."""
    with pytest.raises(typer.Exit) as ended, measuring():
        raise error
    assert ended.value.exit_code == NOT_MEASURED
    assert capsys.readouterr().err == f"Error: {error}\n"
