"""What refuses a census: before a process is looked at, and after."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from soak.heap import census
from soak.heap.census import take_census
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.cpython.scan import scan
from soak.heap.errors import HeapError, ProcessGoneError


def test_a_census_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layouts were tested on x86-64 alone; memory is read there all the same, as remote debugging needs it."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(
        HeapError, match="the census is for x86-64 only, and this is aarch64: its layouts were tested"
    ):
        take_census(os.getpid())
    with ProcessMemory(os.getpid()) as memory:
        assert memory.maps


@pytest.fixture
def target() -> Iterator[subprocess.Popen[str]]:
    """A Python that executes another program, or ends, when it is told to."""
    code = (
        "import os, sys\nkept = [[] for _ in range(5000)]\nprint(flush=True)\n"
        "program = sys.stdin.readline().strip()\n"
        "words = program.split('|')\n"
        "program and os.execv(words[0], words)"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.kill()


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        ("/bin/sh|-c|echo; read line", HeapError, "began another program while it was read: try again"),
        (
            f"{sys.executable}|-I|-S|-c|print(flush=True); input()",
            HeapError,
            "began another program while it was read",
        ),
        ("", ProcessGoneError, "is gone|has no memory|ended while"),
    ],
    ids=["another program", "another Python", "its end"],
)
def test_a_census_of_two_programs_is_none(
    told: str,
    error: type[Exception],
    message: str,
    target: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the two passes through its memory the process becomes another one, which has the same pid and start."""
    assert target.stdin is not None
    assert target.stdout is not None
    stdin, stdout = target.stdin, target.stdout
    whole = take_census(target.pid, check=False)
    assert whole.total_objects > 5_000

    def scan_late(*given: Any, **settings: Any) -> Any:
        stdin.write(f"{told}\n")
        stdin.flush()
        stdout.readline()
        return scan(*given, **settings)

    monkeypatch.setattr(census, "scan", scan_late)
    with pytest.raises(error, match=message) as raised:
        take_census(target.pid, check=False)
    assert type(raised.value) is error
