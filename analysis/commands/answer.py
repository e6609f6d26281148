"""The end of every command: text to print and an exit code."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NoReturn

import typer

from soak.errors import EXIT_OK, printable


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command."""

    text: str
    """At most 100 columns wide."""
    exit_code: int = EXIT_OK
    """One of ours: 0 signed off or done, 3 a gate failed, 4 inconclusive or refused."""


def answer(result: Answer) -> NoReturn:
    """Print a result and exit with its code."""
    show(result.text)
    raise typer.Exit(result.exit_code)


def show(text: str) -> None:
    """Print the text of a result, or the part of it that is not to wait for the rest."""
    with contextlib.suppress(OSError):  # the terminal is gone; what was written stands in its files
        print(printable(text), flush=True)
