"""Runs inputs one by one, each with its own seed, a deadline and a bound of memory."""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from tests.fuzz.entry import Kind
from tests.fuzz.kinds import MakeKind

DEADLINE_S: Final = 20.0
"""Seconds of processor time for one input; the slowest takes less than ten on an idle core, most a hundredth."""
MOST_WALL_S: Final = 120.0
"""Seconds of wall time for one input, which may be given little of a busy machine."""
MOST_MEMORY_BYTES: Final = 1 << 30
"""Address space that inputs may take beyond what the process has: the largest bound of any reader is 256 MiB."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One input that was used."""

    kind: str
    number: int
    took_s: float
    complaint: str
    """What is wrong; empty where nothing is."""


class TooSlowError(BaseException):
    """The deadline of an input has passed; a BaseException, so that no handler of errors takes it for one."""


@contextlib.contextmanager
def opened(kind: MakeKind) -> Iterator[Kind]:
    """Return a kind with a directory of its own, and the temporary directory of the process, in which to write."""
    scratch = Path(tempfile.mkdtemp(prefix="soak-fuzz-"))
    before, tempfile.tempdir = tempfile.tempdir, str(scratch)
    made = None
    try:
        made = kind(scratch)
        yield made
    finally:
        if made is not None:
            made.close()
        tempfile.tempdir = before
        shutil.rmtree(scratch, ignore_errors=True)


def tried(kind: Kind, seed: int, numbers: Iterable[int]) -> Iterator[Tried]:
    """Use the inputs of these numbers; an input depends on seed, kind and number alone."""
    with _bounded_memory():
        for number in numbers:
            began_s = time.monotonic()
            try:
                with _deadline(), warnings.catch_warnings():
                    warnings.simplefilter("error", RuntimeWarning)  # it would be two lines on a terminal
                    complaint = kind.try_one(Random(f"{seed}/{kind.name}/{number}"))
            except Exception as error:  # noqa: BLE001 - whatever is raised where nothing may be is a finding
                complaint = "raised " + "".join(traceback.format_exception(error))[-1500:]
            except TooSlowError:
                complaint = f"not done after {DEADLINE_S:g} s of processor time or {MOST_WALL_S:g} s"
            yield Tried(kind.name, number, time.monotonic() - began_s, complaint)


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Raise TooSlowError in the main thread once either bound has passed; the alarm of a test runner is set again."""
    cpu_s, began_s = time.process_time(), time.monotonic()

    def late(_number: int, _frame: FrameType | None) -> None:
        if time.process_time() - cpu_s >= DEADLINE_S or time.monotonic() - began_s >= MOST_WALL_S:
            raise TooSlowError

    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("alarms need the main thread")
    handler = signal.signal(signal.SIGALRM, late)
    left_s, every_s = signal.setitimer(signal.ITIMER_REAL, DEADLINE_S, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, every_s)
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let allocations beyond the bound fail with MemoryError, which is an unexpected error of a command."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_MEMORY_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
