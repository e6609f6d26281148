"""Processes that tests talk with, a line at a time."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil


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


def wait_at_rest(process: subprocess.Popen[str], timeout_s: float = 60.0) -> None:
    """Wait until a process that has printed its line waits for its next one: the text of the line is freed."""
    target, until_s = psutil.Process(process.pid), time.monotonic() + timeout_s
    while target.status() != psutil.STATUS_SLEEPING:
        assert time.monotonic() < until_s, "the target does not come to rest"
        time.sleep(0.001)


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Give a process a line of input."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
