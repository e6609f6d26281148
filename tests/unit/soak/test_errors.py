from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from soak.errors import EXIT_INTERRUPTED, exit_on_error


def test_ctrl_c_before_a_command_runs_is_no_traceback() -> None:
    """The commands of the analysis import for a second or two before typer is there to catch it."""

    def interrupted() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        exit_on_error(interrupted)
    assert ended.value.code == EXIT_INTERRUPTED


def test_a_closed_standard_output_leaves_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started with ``>&-``, Python has no standard output to flush."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as ended:
        exit_on_error(lambda: sys.exit(3))
    assert ended.value.code == 3
