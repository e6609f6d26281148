"""The live allocations of a native pass by name, as those of a Python pass are, with their native function."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from analysis.sites.naming import Name, Namer, Traceback
from analysis.sites.native.capture import (
    READ_TIMEOUT_S,
    CaptureError,
    Facts,
    Stack,
    read,
    read_facts,
    reader_for,
)
from analysis.sites.native.functions import Functions
from analysis.sites.traces import Group, Key, group_key, whole_processes
from soak.contract import traces_file

NAMED_SHARE: Final = 0.005
"""Growth of a stack as a share of that of all from which on its function is looked for in the mapped libraries."""
MOST_OF_IT: Final = 0.5
"""Share of the growth at a line that one function allocates, from which on the line is named with it."""


@dataclass(slots=True)
class _Sums:
    """What is live by one name, filled stack by stack."""

    name: Name
    bytes: Numbers
    blocks: Numbers
    largest: Numbers
    frames: Traceback = ()
    """Of the stack with the most bytes at the last point."""
    most: int = -1
    """Bytes of that."""
    growth: Counter[str] = field(default_factory=Counter)
    """Bytes by which what each function allocates grew; of Python itself that of ""."""

    @property
    def function(self) -> str:
        """The function that allocates most of the growth; empty where that is less than half of it."""
        most = max(self.growth, key=lambda name: self.growth[name], default="")
        return most if self.growth[most] >= MOST_OF_IT * sum(self.growth.values()) else ""

    def add(self, stack: Stack, name: Name, traceback: Traceback, function: str) -> None:
        self.bytes = self.bytes + stack.bytes
        self.blocks = self.blocks + stack.blocks
        self.largest = np.maximum(self.largest, stack.largest)
        if stack.bytes[-1] > self.most:
            self.name, self.frames, self.most = name, traceback, stack.bytes[-1]
        self.growth[function] += max(0, stack.growth)


def read_native_groups(
    raw: Path, points: Sequence[int], namer: Namer, root: Path | None
) -> tuple[Group, ...]:
    """Return what is live by name at each of ``points``, of all processes that have a file at each of them.

    ``root`` is the root directory of the arm's files, None where it has ended. Where that is not known to be ours, as
    in a container, paths of the arm are other files here: none of its functions is named, and nothing of it is run.
    Raises CaptureError where there is no capture or one cannot be read.
    """
    is_ours = _is_ours(root)
    processes = whole_processes(raw, points)
    if not processes:
        raise CaptureError("no process of the arm was captured at every point")
    found: dict[Key, _Sums] = {}
    until_s = time.monotonic() + READ_TIMEOUT_S
    for process in processes:
        facts = [read_facts(traces_file(raw, point, process)) for point in points]
        stacks = _stacks(raw, facts, until_s, is_ours=is_ours)
        functions = Functions(facts[-1].libraries if is_ours else ())
        least = NAMED_SHARE * sum(max(0, stack.growth) for stack in stacks)
        for stack in stacks:
            function = functions.name(stack.native) if is_ours and stack.growth >= max(1.0, least) else ""
            _add(found, namer, stack, function)
    return tuple(
        Group(one.name, one.frames, one.bytes, one.blocks, one.largest, one.function)
        for one in found.values()
    )


def _is_ours(root: Path | None) -> bool:
    """Whether paths of the arm are the same files here."""
    try:
        return root is not None and root.samefile("/")
    except OSError:
        return False  # it has just ended


def _stacks(raw: Path, facts: Sequence[Facts], until_s: float, *, is_ours: bool) -> list[Stack]:
    """Return the stacks of a process, by its files of all points."""
    last = facts[-1]
    if len({one.capture for one in facts}) > 1:
        raise CaptureError("its captures are of several processes")
    reader, instants_s = reader_for(last, may_run=is_ours), [one.instant_s for one in facts]
    return read(reader, raw / last.capture, instants_s, max(0.0, until_s - time.monotonic())).stacks


def _add(found: dict[Key, _Sums], namer: Namer, stack: Stack, function: str) -> None:
    """Add a stack to those of its name; what no Python calls is named by its function."""
    traceback: Traceback = tuple((file, line) for _, file, line in stack.python)
    name = namer.name(traceback)
    if name is None or not (traceback or function):
        return
    key = group_key(name, (*traceback, (function, 0))[0])
    if key not in found:
        none = np.zeros(len(stack.bytes))
        found[key] = _Sums(name, none, none, none)
    found[key].add(stack, name, traceback, function)
