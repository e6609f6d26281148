"""What kind of growth it is, in words, with the evidence for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FINISHED_TASKS: Final = "finished tasks kept"
PENDING_TASKS: Final = "tasks that never end"
SESSIONS: Final = "unclosed sessions or connectors"
CONTAINER: Final = "unbounded cache or list"
FILLING: Final = "bounded cache that still fills"
CYCLES: Final = "cycles awaiting gen-2"
LOST: Final = "reference lost in native code"
KEPT: Final = "objects kept, holder unknown"
NATIVE: Final = "native memory"
ALLOCATOR: Final = "held by the allocator"
THREADS: Final = "threads"
FDS: Final = "file descriptors"
KINDS: Final = (
    FINISHED_TASKS, PENDING_TASKS, SESSIONS, CONTAINER, FILLING, CYCLES, LOST, KEPT, NATIVE, ALLOCATOR, THREADS, FDS,
)  # fmt: skip

TASK_TYPES: Final = ("_asyncio.Task", "asyncio.tasks.Task")
TASK_STATES: Final = ("finished", "pending")
"""The probe says of every task, those of subclasses too, which it is; a class of the program's own has none."""
CONNECTION_ENDINGS: Final = (
    "Session", "Connector", "Connection", "Transport", "StreamWriter", "AsyncClient", "socket",
)  # fmt: skip
"""Ends of the names of types that are one end of a connection, or keep some open."""
BOUNDED_ENTRY: Final = "functools._lru_list_elem"
"""An entry of an lru_cache with a bound; one without keeps its results bare."""
UNREFERENCED: Final = "unreferenced"
CYCLE: Final = "cycle"
PROBE: Final = "probe"
WEAK: Final = "weak"
"""The state of entries whose keys are weak references."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of growth and why it is that."""

    name: str
    """One of KINDS."""
    why: str
    """One sentence, without a full stop."""


def entries_of(text: str) -> list[Mapping[str, Any]]:
    """Return the sample of entries of a row of holders.csv; none where the cell is empty or damaged."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def short(type_name: str) -> str:
    """Return a type as one would write it: those of builtins without their module."""
    return type_name.removeprefix("builtins.")


def types_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the types of the entries, short, each once."""
    return list(dict.fromkeys(short(str(entry["type"])) for entry in entries if entry.get("type")))


def holds_nothing(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a container grows with what others hold: it is the probe's own, or has weak references only."""
    if any(entry.get("state") == PROBE for entry in entries):
        return True
    held = types_of(entries)
    return bool(held) and all(name.startswith("weakref.") for name in held)


def follows_others(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether its entries stay for as long as others hold their keys, as those of a WeakKeyDictionary do."""
    return bool(entries) and all(entry.get("state") == WEAK for entry in entries)


def kind_of_container(type_name: str, entries: Sequence[Mapping[str, Any]]) -> Kind:
    """Return the kind of a container that grows, by its type and a sample of what it holds, the commonest first."""
    states = {entry.get("state") for entry in entries}
    if UNREFERENCED in states:
        return Kind(LOST, f"a {short(type_name)} grows to which there are references that no object holds")
    if CYCLE in states:
        return Kind(CYCLES, f"a {short(type_name)} grows that only its own contents refer to")
    for entry in entries:
        held = str(entry.get("type", ""))
        if entry.get("state") in TASK_STATES or held in TASK_TYPES:
            finished = entry.get("state") == "finished"
            made = ", made in " + str(entry["created"]) if entry.get("created") else ""
            of = f" of {entry['coroutine']}" if entry.get("coroutine") else ""
            state = "finished" if finished else "unfinished"
            return Kind(FINISHED_TASKS if finished else PENDING_TASKS, f"it holds {state} tasks{of}{made}")
        if held == BOUNDED_ENTRY:
            return Kind(FILLING, "it is an lru_cache with a bound that it has not met")
        if held.endswith(CONNECTION_ENDINGS):
            return Kind(SESSIONS, f"it holds objects of {held}")
    held = ", ".join(types_of(entries))
    return Kind(CONTAINER, f"a {short(type_name)} grows" + (f"; it holds {held}" if held else ""))


def kind_of_type(
    type_name: str, holder: str, entries: Sequence[Mapping[str, Any]], *, freed: bool, containers_grow: bool
) -> Kind:
    """Return the kind of a type whose objects grow although no container that grows was found to hold them.

    ``freed``: the collector freed them after the load.
    """
    states = {str(entry.get("state", "")) for entry in entries}
    if UNREFERENCED in states:
        return Kind(LOST, "the objects have references that no object holds")
    if CYCLE in states or freed:
        return Kind(CYCLES, "the objects hold each other; the collector frees them")
    if holder:
        known = kind_of_container(type_name, [*entries, {"type": type_name}])
        why = "a growing number of its objects hangs there"
        return Kind(known.name, known.why if known.name != CONTAINER else why)
    if not containers_grow:
        return Kind(LOST, "its objects grow, and no container does that could hold them")
    return Kind(KEPT, "its objects grow; no holder was found")
