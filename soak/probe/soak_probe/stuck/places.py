"""Where tasks wait, as text: in groups, so that no task and no frame is kept."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from .. import creations
from ..holders.asyncio_objects import coroutine_of, frame_of, function_name
from ..holders.roots import INSTALLED, OWN, owner_of
from .waits import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types

MOST_GROUPS = 50
"""Groups of an answer; the others are one more, without names."""
MOST_PLACED = 10_000
"""Tasks whose lines are looked up; any other is taken to wait where the first one in the same functions does."""
MOST_SOURCE_BYTES = 1 << 20
"""Bytes of a source file within which a line is looked for."""
LONGEST_SOURCE = 120
"""Characters of a source line."""


class Place(NamedTuple):
    """Where a task waits; texts are empty and the line is 0 where it is not known."""

    coroutine: str = ""
    file: str = ""
    line: int = 0
    """Of the innermost function outside Python's library and installed packages; where it has none, of the innermost in
    the package of its coroutine."""
    inside: str = ""
    """Where it waits below that, and the coroutine of the task that it awaits, if it is one."""
    created: str = ""

    def described(self) -> dict[str, Any]:
        """Return the texts of an answer."""
        return {
            "coroutine": self.coroutine,
            "waits_at": _short(self.file, self.line),
            "source": source_line(self.file, self.line),
            "waits_in": self.inside,
            "created": self.created,
        }


class Groups:
    """Counts waiting tasks by their places."""

    def __init__(self) -> None:
        self._counts: dict[Place, tuple[int, int]] = {}
        self._known: dict[tuple[int, ...], Place] = {}
        self._placed = 0

    def add(self, wait: Wait, *, stuck: bool) -> None:
        """Count a task."""
        codes = tuple(id(creations.code_of(step)) for step in (*wait.chain, coroutine_of(wait.future)))
        place = self._known.get(codes)
        if place is None or self._placed < MOST_PLACED:
            self._placed += 1
            place = self._known[codes] = place_of(wait)
        number, pending = self._counts.get(place, (0, 0))
        self._counts[place] = number + stuck, pending + 1

    def described(self) -> list[dict[str, Any]]:
        """Return the groups, those with most stuck tasks first, and the rest as the last of them."""
        rows = sorted(self._counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        named = [
            {**place.described(), "stuck": stuck, "pending": pending}
            for place, (stuck, pending) in rows[:MOST_GROUPS]
        ]
        rest = [counts for _place, counts in rows[MOST_GROUPS:]]
        if rest:
            stuck, pending = map(sum, zip(*rest))  # noqa: B905 - Python 3.9
            named.append({**Place().described(), "stuck": stuck, "pending": pending})
        return named


def place_of(wait: Wait) -> Place:
    """Return where a task waits. Until a coroutine ends, its frame is kept by it once it was looked at."""
    frames = [frame for frame in map(frame_of, wait.chain) if frame is not None]
    own = [frame for frame in frames if owner_of(frame.f_code.co_filename) == OWN]
    package = _package(frames[0].f_code.co_filename) if frames else ""
    own = own or [frame for frame in frames if package and _package(frame.f_code.co_filename) == package]
    at = own[-1] if own else None
    inside = []
    if frames and frames[-1] is not at:
        inside.append(f"{_place_of_frame(frames[-1])} {function_name(frames[-1].f_code)}")
    awaited = creations.code_of(coroutine_of(wait.future))
    if awaited is not None:
        inside.append(f"task {function_name(awaited)[:-2]}")
    code = creations.code_of(wait.chain[0]) if wait.chain else None
    return Place(
        "" if code is None else function_name(code)[:-2],
        at.f_code.co_filename if at is not None else "",
        (at.f_lineno or 0) if at is not None else 0,
        ", ".join(inside),
        (creations.site_of(code) or "") if code is not None else "",
    )


def _package(file: str) -> str:
    """Return the directory of the installed package that a file is of; empty for none."""
    if owner_of(file) != INSTALLED:
        return ""
    place, mark, name = file.rpartition("-packages/")
    return f"{place}{mark}{name.partition('/')[0]}"


def source_line(file: str, line: int) -> str:
    """Return a line of a source file, without what surrounds it; empty where it cannot be read as text."""
    if not line or not os.path.isfile(file):
        return ""
    try:
        with open(file, "rb") as source:
            lines = source.read(MOST_SOURCE_BYTES).splitlines()
        return lines[line - 1].decode().strip()[:LONGEST_SOURCE]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def _place_of_frame(frame: types.FrameType) -> str:
    return _short(frame.f_code.co_filename, frame.f_lineno or 0)


def _short(file: str, line: int) -> str:
    """Return ``package/module.py:57``, as of the place where a task is created."""
    return f"{'/'.join(file.split(os.sep)[-2:])}:{line}" if line else ""
