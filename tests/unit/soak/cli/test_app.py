from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from soak.cli.commands import app
from soak.cli.of_analysis import OF_ANALYSIS

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


def test_what_stands_beside_a_run_for_days_imports_no_arrays() -> None:
    """They are 11 MiB of each process: the census, the load and the analysis have them."""
    script = "import sys, soak.cli.commands, soak.supervisor.launch; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("command", OF_ANALYSIS)
def test_a_command_of_the_analysis_is_one_of_the_app_too(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The help lists it with its text, and where it is found by the app it gets its words as well."""
    became: list[tuple[str, ...]] = []
    monkeypatch.setattr(os, "execv", lambda _, argv: became.append(tuple(argv[1:])))
    CliRunner().invoke(app, [command, "--help", "a run"])
    assert became == [("-P", "-m", "analysis", command, "--help", "a run")]
    listed = CliRunner().invoke(app, ["--help"]).output.replace("│", " ").split()
    assert f"{command} {OF_ANALYSIS[command]}" in " ".join(listed)
