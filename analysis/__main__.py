"""``python -P -m analysis COMMAND ...``: the commands that ``soak`` starts in a process of their own.

A run never loads pandas or matplotlib, and each command loads only what it needs.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

import typer

from soak.errors import UsageError, exit_on_error

COMMANDS: Final = ("report", "judge", "compare", "history", "requests", "sites", "ablation")
"""Each is the function ``command`` of its module in ``analysis.commands``."""


def main() -> None:
    """Run the command that the first argument names; exits with its exit code."""
    exit_on_error(_run)


def _run() -> None:
    name, *words = sys.argv[1:] or ("",)
    if name not in COMMANDS:
        raise UsageError(f"python -m analysis {name}: no such command; there are {', '.join(COMMANDS)}.")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(importlib.import_module(f"analysis.commands.{name}").command)
    app(words, prog_name=f"soak {name}")


if __name__ == "__main__":
    main()
