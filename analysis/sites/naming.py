"""Names for a traceback: your line, the package's line below it, and the task it runs in.

A traceback is a tuple of frames (file, line), the innermost first. What lies outside the step of the event loop, as
``uvicorn.run`` does, is no part of a name; neither are the frames of the probe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from analysis.sites.sources import Sources
from soak.errors import printable

Frame = tuple[str, int]
Traceback = tuple[Frame, ...]

LIBRARY: Final = re.compile(
    r"(?:^|/)lib(?:64)?/python3(?:\.\d+t?)?/(?!(?:.*/)?(?:site|dist)-packages/)|/python3\d+\.zip/"
)
PACKAGE: Final = re.compile(r"/(?:site|dist)-packages/")
PROBE: Final = re.compile(r"(?:^|/)(?:soak_probe/|soak/probe/sitecustomize\.py$)")
LOOP_FILES: Final = ("/asyncio/events.py", "/asyncio/base_events.py", "/asyncio/runners.py")
"""Files of the standard library that have the step of the event loop and what runs it."""
LOOP_FUNCTIONS: Final = frozenset({"_run", "_run_once", "run_forever", "run_until_complete", "run"})
"""Functions in these files that run the loop or one step of it."""
RUNS_LOOP: Final = re.compile(
    r"\b(?:run_until_complete|run_forever|run_app|(?:asyncio|uvloop|uvicorn|anyio|hypercorn)\.run)\("
)
"""A line that runs an event loop, also one that is written in C and has no frames."""
MOST_PATH: Final = 160
"""Characters of a file's name that are shown at most."""


class Kind(Enum):
    """What a frame is of."""

    YOURS = "yours"
    PACKAGE = "package"
    LIBRARY = "library"
    PROBE = "probe"
    LOOP = "loop"
    """It runs the event loop: it and all that is outside it are left out."""


@dataclass(frozen=True, slots=True)
class Name:
    """How a traceback is named; None where there is no such frame."""

    yours: Frame | None
    """The innermost frame outside the standard library and the packages."""
    package: Frame | None
    """The innermost frame of a package, below yours where there is one."""
    root: Frame | None
    """The outermost frame of the event loop's step, in the coroutine that the task runs; None where it is not seen."""


class Namer:
    """Names tracebacks, with the source files at hand."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._kinds: dict[Frame, Kind] = {}

    def name(self, traceback: Traceback) -> Name | None:
        """Return how a traceback is named; None for what the probe itself allocates."""
        yours: Frame | None = None
        package: Frame | None = None
        root: Frame | None = None
        last: Frame | None = None
        for frame in traceback:
            kind = self._kind(frame)
            if kind is Kind.PROBE and yours is None and package is None:
                return None
            if kind is Kind.LOOP:
                root = last
                break
            if kind is Kind.YOURS and yours is None:
                yours = frame
            elif kind is Kind.PACKAGE and yours is None and package is None:
                package = frame
            if kind is Kind.YOURS or kind is Kind.PACKAGE:
                last = frame
        return Name(yours, package, root)

    def _kind(self, frame: Frame) -> Kind:
        if frame not in self._kinds:
            self._kinds[frame] = self._kind_of(*frame)
        return self._kinds[frame]

    def _kind_of(self, file: str, line: int) -> Kind:
        if PROBE.search(file):
            return Kind.PROBE
        if file.startswith("<"):
            return Kind.LIBRARY  # code without a file: of an import, a dataclass, a namedtuple
        if LIBRARY.search(file):
            runs = file.endswith(LOOP_FILES) and self._sources.function(file, line) in LOOP_FUNCTIONS
            return Kind.LOOP if runs else Kind.LIBRARY
        if RUNS_LOOP.search(self._sources.line(file, line)):
            return Kind.LOOP
        return Kind.PACKAGE if PACKAGE.search(file) else Kind.YOURS


def shown(file: str, cwd: str) -> str:
    """Return a file's name as it is shown: within the working directory or its package, else the end of its path."""
    text = printable(file).replace("\n", "\\n")
    if library := LIBRARY.search(text):
        text = text[library.end() :]
    elif package := [*PACKAGE.finditer(text)]:
        text = text[package[-1].end() :]
    elif cwd != "/" and text.startswith(f"{cwd.rstrip('/')}/"):
        text = text.removeprefix(f"{cwd.rstrip('/')}/")
    elif text.startswith("/") and text.count("/") > 2:
        text = "…/" + "/".join(text.rsplit("/", 2)[-2:])
    return text if len(text) <= MOST_PATH else f"…{text[1 - MOST_PATH :]}"


def at(frame: Frame | None, cwd: str) -> str:
    """Return a frame as ``file:line``; empty for none."""
    return "" if frame is None else f"{shown(frame[0], cwd)}:{frame[1]}"
