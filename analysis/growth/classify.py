"""The kind of a leak suspect, in words, with the evidence for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FINISHED_TASKS: Final = "finished tasks still referenced"
PENDING_TASKS: Final = "pending tasks"
SESSIONS: Final = "unclosed sessions or connectors"
CONTAINER: Final = "unbounded cache or list"
FILLING: Final = "bounded cache, still filling"
CYCLES: Final = "uncollected reference cycles"
LOST: Final = "reference lost in native code"
HOLDER_UNKNOWN: Final = "retained objects, holder unknown"
NATIVE: Final = "native memory"
ALLOCATOR: Final = "retained by the allocator"
THREADS: Final = "threads"
FDS: Final = "file descriptors"
KINDS: Final = (
    FINISHED_TASKS, PENDING_TASKS, SESSIONS, CONTAINER, FILLING, CYCLES, LOST, HOLDER_UNKNOWN, NATIVE, ALLOCATOR,
    THREADS, FDS,
)  # fmt: skip

TASK_TYPES: Final = ("_asyncio.Task", "asyncio.tasks.Task")
TASK_STATES: Final = ("finished", "pending")
"""States that the probe gives to every task, of subclasses too; a class that is no task has none."""
CONNECTION_ENDINGS: Final = (
    "Session", "Connector", "Connection", "Transport", "StreamWriter", "AsyncClient", "socket",
)  # fmt: skip
"""Name endings of types that are one end of a connection, or keep some open."""
BOUNDED_ENTRY: Final = "functools._lru_list_elem"
"""The type of an entry of an lru_cache with a bound; one without a bound stores its results bare."""
UNREFERENCED: Final = "unreferenced"
CYCLE: Final = "cycle"
PROBE: Final = "probe"
WEAK: Final = "weak"
"""The state of entries whose keys are weak references."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of growth, and the evidence for it."""

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


def short_type(type_name: str) -> str:
    """Return the name of a type, of builtins without their module."""
    return type_name.removeprefix("builtins.")


def types_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the types of the entries, short, each once."""
    return list(dict.fromkeys(short_type(str(entry["type"])) for entry in entries if entry.get("type")))


def retains_nothing(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a container retains none of its entries: it belongs to the probe, or has weak references only."""
    if any(entry.get("state") == PROBE for entry in entries):
        return True
    contained = types_of(entries)
    return bool(contained) and all(name.startswith("weakref.") for name in contained)


def is_keyed_weakly(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether others retain the keys that its entries depend on, as in a WeakKeyDictionary."""
    return bool(entries) and all(entry.get("state") == WEAK for entry in entries)


def kind_of_container(type_name: str, entries: Sequence[Mapping[str, Any]]) -> Kind:
    """Return the kind of a container that grows, by its type and a sample of its entries, the commonest first."""
    states = {entry.get("state") for entry in entries}
    if UNREFERENCED in states:
        return Kind(LOST, f"a {short_type(type_name)} grows; no object has the references to it")
    if CYCLE in states:
        return Kind(CYCLES, f"a {short_type(type_name)} grows; only its own contents refer to it")
    for entry in entries:
        contained = str(entry.get("type", ""))
        if entry.get("state") in TASK_STATES or contained in TASK_TYPES:
            finished = entry.get("state") == "finished"
            made = ", made in " + str(entry["created"]) if entry.get("created") else ""
            of = f" of {entry['coroutine']}" if entry.get("coroutine") else ""
            state = "finished" if finished else "unfinished"
            return Kind(FINISHED_TASKS if finished else PENDING_TASKS, f"it contains {state} tasks{of}{made}")
        if contained == BOUNDED_ENTRY:
            return Kind(FILLING, "it is an lru_cache with a bound that it has not reached")
        if contained.endswith(CONNECTION_ENDINGS):
            return Kind(SESSIONS, f"it contains objects of {contained}")
    contained = ", ".join(types_of(entries))
    return Kind(
        CONTAINER, f"a {short_type(type_name)} grows" + (f"; it contains {contained}" if contained else "")
    )


def kind_of_type(
    type_name: str, holder: str, entries: Sequence[Mapping[str, Any]], *, freed: bool, containers_grow: bool
) -> Kind:
    """Return the kind of a type whose objects grow in number and are in no container that grows.

    ``freed``: gc.collect() freed them after the load.
    """
    states = {str(entry.get("state", "")) for entry in entries}
    if UNREFERENCED in states:
        return Kind(LOST, "no object has the references to these objects")
    if CYCLE in states or freed:
        return Kind(CYCLES, "the objects refer to each other; gc.collect() frees them")
    if holder:
        known = kind_of_container(type_name, [*entries, {"type": type_name}])
        why = "a growing number of its objects is reachable from there"
        return Kind(known.name, known.why if known.name != CONTAINER else why)
    if not containers_grow:
        return Kind(LOST, "its objects grow in number, and no container that could retain them grows")
    return Kind(HOLDER_UNKNOWN, "its objects grow in number; no holder was found")
