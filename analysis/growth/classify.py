"""The kind of a leak suspect, in words, with the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soak.regular_files import parse_json

FINISHED_TASKS: Final = "finished tasks still referenced"
PENDING_TASKS: Final = "pending tasks"
UNCLOSED_SESSIONS: Final = "unclosed sessions or connectors"
CONTAINER: Final = "unbounded cache or list"
FILLING: Final = "bounded cache, still filling"
CYCLES: Final = "uncollected reference cycles"
LOST_REFERENCE: Final = "reference lost in native code"
HOLDER_UNKNOWN: Final = "retained objects, holder unknown"
NATIVE: Final = "native memory"
BUFFERS: Final = "Python's allocator, no objects"
THREADS: Final = "threads"
FDS: Final = "file descriptors"
FOREIGN: Final = "memory of a foreign allocator"
FILES_ON_TMPFS: Final = "files on tmpfs"
THREAD_STACKS: Final = "thread stacks"
MAPPINGS: Final = "mappings"

PAST_PYTHON: Final = frozenset({LOST_REFERENCE, NATIVE, BUFFERS, MAPPINGS, FOREIGN})
"""Kinds of what native code allocates, or keeps: no line of Python alone names it."""

TASK_TYPES: Final = ("_asyncio.Task", "asyncio.tasks.Task")
TASK_STATES: Final = ("finished", "pending")
"""States that the probe gives to every task, of subclasses too; a class that is no task has none."""
TASK_PARTS: Final = (
    "_asyncio.Future", "asyncio.futures.Future", "builtins.coroutine", "asyncio.events.Handle",
    "asyncio.events.TimerHandle", "_asyncio.TaskStepMethWrapper",
)  # fmt: skip
"""Types of which a task has some, and that keep it alive."""
CONNECTION_ENDINGS: Final = (
    "Session", "Connector", "Connection", "Transport", "StreamWriter", "AsyncClient", "socket",
)  # fmt: skip
"""Name endings of types that are one end of a connection, or keep some open."""
CONNECTION_LIBRARIES: Final = frozenset({
    "_socket", "aiohttp", "aiomysql", "aiopg", "anyio", "asyncio", "asyncpg", "botocore", "elastic_transport", "grpc",
    "http", "httpcore", "httpx", "multiprocessing", "mysql", "paramiko", "pika", "psycopg", "psycopg2", "psycopg_pool",
    "pymongo", "pymysql", "redis", "requests", "requests_toolbelt", "smtplib", "socket", "sqlalchemy", "sqlite3", "ssl",
    "trio", "urllib3", "uvloop", "websocket", "websockets",
})  # fmt: skip
"""Packages in which that is what such a name means; elsewhere it may be anything, as ``shop.auth.UserSession``."""
BOUNDED_ENTRY: Final = "functools._lru_list_elem"
"""The type of an entry of an lru_cache with a bound; one without a bound stores its results bare."""
UNREFERENCED_STATE: Final = "unreferenced"
CYCLE_STATE: Final = "cycle"
UNTRACKED_STATE: Final = "untracked"
"""The state of a type whose objects the collector never lists, as of str: these do not retain one another."""
HOLDING_NOTHING: Final = frozenset(
    f"builtins.{name}" for name in ("str", "bytes", "bytearray", "int", "float", "complex", "bool")
)
PROBE_STATE: Final = "probe"
WEAK_STATE: Final = "weak"
"""The state of entries whose keys are weak references, or that are threads in Python's own list of them."""
DEAD_STATE: Final = "dead"
"""The state of a weak reference to what is gone."""
WEAK_REFERENCES: Final = frozenset({
    "weakref.ReferenceType", "weakref.KeyedRef", "weakref.WeakMethod", "weakref.ProxyType", "weakref.CallableProxyType",
    "builtins.weakref", "builtins.weakproxy", "builtins.weakcallableproxy",
})  # fmt: skip
"""Types that refer weakly; the last three are those of Python 3.9. ``weakref`` has others, which retain: finalizers,
WeakSets. The probe has the same list, ``REFERENCES`` of ``soak_probe.holders.retained``."""


@dataclass(frozen=True, slots=True)
class SuspectKind:
    """A kind of growth, and the evidence for it."""

    name: str
    """One of the kinds above."""
    why: str
    """One sentence, without a full stop."""


def parse_entries(text: str) -> list[Mapping[str, Any]]:
    """Return the sample of entries of a row of holders.csv; none where the cell is empty or damaged.

    Their values are texts and numbers, as the probe's are: an entry with others is none.
    """
    try:
        found = parse_json(text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if _is_entry(entry)] if isinstance(found, list) else []


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and all(
        one is None or isinstance(one, str | int | float) for one in value.values()
    )


def short_type(type_name: str) -> str:
    """Return the name of a type, of builtins without their module."""
    return type_name.removeprefix("builtins.")


def types_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the types of the entries, short, each once."""
    return list(dict.fromkeys(short_type(str(entry["type"])) for entry in entries if entry.get("type")))


def retains_nothing(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a container retains none of its entries: it belongs to the probe, or has weak references only.

    References to what is gone, which nobody took out, are what grows themselves.
    """
    if any(entry.get("state") == PROBE_STATE for entry in entries):
        return True
    typed = [entry for entry in entries if entry.get("type")]
    return bool(typed) and all(
        entry["type"] in WEAK_REFERENCES and entry.get("state") != DEAD_STATE for entry in typed
    )


def is_keyed_weakly(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether others decide how long its entries stay, as of a WeakKeyDictionary or of running threads."""
    return bool(entries) and all(entry.get("state") == WEAK_STATE for entry in entries)


def kind_of_container(
    type_name: str,
    entries: Sequence[Mapping[str, Any]],
    of_tasks: str = "",
    *,
    connections_leak: bool = False,
) -> SuspectKind:
    """Return the kind of a container that grows, by its type and a sample of its entries, the commonest first.

    ``of_tasks`` is the kind of an arm's tasks where their number is a leak; empty where it is none;
    ``connections_leak`` is whether its open sessions or descriptors are a leak.
    """
    states = {entry.get("state") for entry in entries}
    if UNREFERENCED_STATE in states:
        return SuspectKind(
            LOST_REFERENCE, f"a {short_type(type_name)} grows; no object has the references to it"
        )
    if CYCLE_STATE in states:
        return SuspectKind(CYCLES, f"a {short_type(type_name)} grows; only its own contents refer to it")
    kinds = (_kind_of_entry(entry, connections_leak=connections_leak) for entry in entries)
    if (known := next(filter(None, kinds), None)) is not None:
        return known
    if of_tasks and any("task" in entry or entry.get("type") in TASK_PARTS for entry in entries):
        return SuspectKind(
            of_tasks, "tasks grow in number, and its entries retain tasks or are parts of them"
        )
    contained = ", ".join(types_of(entries))
    return SuspectKind(
        CONTAINER, f"a {short_type(type_name)} grows" + (f"; it contains {contained}" if contained else "")
    )


def is_of_a_connection_library(type_name: str) -> bool:
    """Return whether a type is a connection by its name and package."""
    return type_name.partition(".")[0] in CONNECTION_LIBRARIES and type_name.endswith(CONNECTION_ENDINGS)


def _kind_of_entry(entry: Mapping[str, Any], *, connections_leak: bool) -> SuspectKind | None:
    """Return the kind of a container with such entries; None where these are no evidence."""
    contained = str(entry.get("type", ""))
    if entry.get("state") in TASK_STATES or contained in TASK_TYPES:
        finished = entry.get("state") == "finished"
        made = ", made in " + str(entry["created"]) if entry.get("created") else ""
        of = f" of {entry['coroutine']}" if entry.get("coroutine") else ""
        state = "finished" if finished else "unfinished"
        return SuspectKind(
            FINISHED_TASKS if finished else PENDING_TASKS, f"it contains {state} tasks{of}{made}"
        )
    if contained == BOUNDED_ENTRY:
        return SuspectKind(FILLING, "it is an lru_cache with a bound that it has not reached")
    if is_of_a_connection_library(contained) or (connections_leak and contained.endswith(CONNECTION_ENDINGS)):
        return SuspectKind(UNCLOSED_SESSIONS, f"it contains objects of {contained}")
    return None


def kind_of_type(
    type_name: str,
    holder: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    freed: bool,
    lost: str = "",
    of_tasks: str = "",
    connections_leak: bool = False,
) -> SuspectKind:
    """Return the kind of a type whose objects grow in number and are in no container that grows.

    ``freed``: gc.collect() freed them after the load; ``lost``: why their references are lost where the probe has not
    counted so, by what else grows; ``of_tasks`` and ``connections_leak`` are as of ``kind_of_container``.
    """
    states = {str(entry.get("state", "")) for entry in entries}
    if UNREFERENCED_STATE in states:
        return SuspectKind(LOST_REFERENCE, "no object has the references to these objects")
    if CYCLE_STATE in states or freed:
        return SuspectKind(CYCLES, "the objects refer to each other; gc.collect() frees them")
    if holder:
        known = kind_of_container(
            type_name, [*entries, {"type": type_name}], of_tasks, connections_leak=connections_leak
        )
        why = "a growing number of its objects is reachable from there"
        return SuspectKind(known.name, known.why if known.name != CONTAINER else why)
    if of_tasks and type_name in {*TASK_TYPES, *TASK_PARTS}:
        return SuspectKind(of_tasks, "tasks grow in number; no holder was found")
    if lost:
        return SuspectKind(LOST_REFERENCE, f"its objects grow in number, and {lost}")
    return SuspectKind(HOLDER_UNKNOWN, "its objects grow in number; no holder was found")
