"""Processes that tests talk with, a line at a time."""

from __future__ import annotations

import selectors
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def started(*argv: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process with pipes for its input and output; kill it at the end."""
    process = subprocess.Popen(
        [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str], timeout_s: float = 60.0) -> str:
    """Wait for the next line that a process prints."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(timeout_s), "the target said nothing"
    return process.stdout.readline()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Give a process a line of input."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
