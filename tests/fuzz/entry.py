"""Calls the entry points of soakproof in this process, and states what a user would have to complain of."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

import typer

from soak.cli.commands import app
from soak.errors import exit_on_error

NOTES: Final = ("warning: ", "is deprecated; use ")
"""Parts of lines on the standard error that are no error."""


class Kind(Protocol):
    """One kind of input."""

    name: str

    def try_one(self, random: Random) -> str:
        """Make one input and use it; return what is wrong, empty where nothing is."""

    def close(self) -> None:
        """Stop what it started; by default nothing."""
        return


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@cache
def _soak() -> Any:
    return typer.main.get_command(app)


def soak(*words: str) -> Ended:
    """Run ``soak WORDS``."""
    return ended(lambda: _soak().main(list(words), prog_name="soak"))


def analysis(*words: str) -> Ended:
    """Run ``python -m analysis WORDS``, which ``soak report``, ``judge`` and ``compare`` become."""
    from analysis.__main__ import _run

    before = sys.argv
    sys.argv = ["analysis", *words]
    try:
        return ended(_run)
    finally:
        sys.argv = before


def ended(command: Callable[[], object]) -> Ended:
    """Run a command line as its ``main`` does."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exit_on_error(command)
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
    return Ended(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue())


def complaint(found: Ended, codes: Collection[int]) -> str:
    """Return what is wrong with the end of a command; empty where nothing is."""
    lines = [line for line in found.err.splitlines() if not any(note in line for note in NOTES)]
    if any("unexpected " in line and "defect" in line for line in lines) or "Traceback" in found.err:
        return f"an unexpected error: {_traceback(found.err) or found.err[-1000:]}"
    if found.code not in codes:
        return f"exit code {found.code}: {found.err[-1000:]}"
    if len(lines) > 1 or (found.code == 2 and not (lines and lines[0].startswith("soak: "))):
        return f"no single line: {found.err[:1000]!r}"
    if odd := {one for one in found.out + found.err if not one.isprintable() and one != "\n"}:
        return f"control characters {sorted(odd)}"
    return ""


def _traceback(line: str) -> str:
    """Return the end of the traceback that the line of an unexpected error names."""
    named = re.search(r"with its traceback, (\S+)\.$", line.strip())
    return Path(named[1]).read_text(encoding="utf-8")[-1000:] if named else ""
