from __future__ import annotations

import subprocess
import sys

import pytest

from soak.cli.app import OF_ANALYSIS
from soak.cli.commands import app

BECOMES = """
import os, sys
from soak.cli.app import main
def execv(program, argv):
    imported = [name for name in ("typer", "numpy", "soak.contract", "soak.supervisor") if name in sys.modules]
    print(list(argv[1:]), imported)
    raise SystemExit
os.execv = execv
main()
"""
"""Runs the command line up to the process that it becomes."""


@pytest.mark.parametrize("command", OF_ANALYSIS)
def test_a_command_of_the_analysis_imports_nothing_of_the_runner(command: str) -> None:
    """Its words are passed on as they were given."""
    done = subprocess.run(
        [sys.executable, "-c", BECOMES, command, "--help", "--", "-a run"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    words = ["-P", "-m", "analysis", command, "--help", "--", "-a run"]
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words} []\n", "")


def test_the_help_lists_the_commands_of_the_analysis() -> None:
    """Each of them is a command of the app, too."""
    assert set(OF_ANALYSIS) <= {
        command.callback.__name__ for command in app.registered_commands if command.callback
    }
