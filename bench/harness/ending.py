"""How a program that measures ends: its exit codes, and its one line on what it could not measure."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from soak.errors import SoakError

MISSED: Final = 1
"""Exit code where a goal is missed."""
NOT_MEASURED: Final = 2
"""Exit code where something could not be measured."""


@contextmanager
def measuring() -> Iterator[None]:
    """End the program with a line and NOT_MEASURED where the block raises SoakError, OSError or SubprocessError."""
    try:
        yield
    except (SoakError, OSError, subprocess.SubprocessError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(NOT_MEASURED) from None
