"""The end of every command: text to print and an exit code."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NoReturn, Protocol

import typer

from soak.errors import printable


class Answer(Protocol):
    """The result of a command."""

    @property
    def text(self) -> str:
        """Plain text, at most 100 columns wide."""

    @property
    def exit_code(self) -> int:
        """One of ours: 0 signed off, 3 a gate failed, 4 inconclusive or refused."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The printed verdicts and the exit code."""

    text: str
    exit_code: int


def answer(result: Answer) -> NoReturn:
    """Print a result and exit with its code."""
    show(result.text)
    raise typer.Exit(result.exit_code)


def show(text: str) -> None:
    """Print the text of a result, or the part of it that is not to wait for the rest."""
    with contextlib.suppress(OSError):  # the terminal is gone; what was written stands in its files
        print(printable(text), flush=True)
