"""Every column and event of a recording, with its unit and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FAILURE_KINDS: Final = ("timeout", "connect", "reset", "4xx", "5xx", "error_body", "other")
"""``connect``: no connection; ``reset``: it broke; ``error_body``: status 200 with an error inside."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a recording."""

    name: str
    """The name, which carries the unit."""
    meaning: str
    kind: Literal["number", "text", "json"] = "number"
    """What a cell holds; ``json`` is an object of numbers by name."""
    additive: bool = False
    """Whether the readings of the processes of an arm add up to that of the arm."""


def _text(name: str, meaning: str) -> Column:
    return Column(name, meaning, "text")


def _amount(name: str, meaning: str) -> Column:
    return Column(name, meaning, additive=True)


SAMPLE_COLUMNS: Final = (
    Column("t_s", "when the row was read, seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("arm", "the target build"),
    Column("pid", "process id"),
    Column("life", "counts the arm's processes from 1: the next is its restart, or a worker below it"),
    _text("phase", "idle, warm-up, load, drain or quiesce"),
    _text(
        "rung",
        "of the quiesce ladder: drained, collected or trimmed; point in a pause of the load; empty in ordinary rows",
    ),
    _amount("rss_bytes", "resident memory, /proc/PID/statm"),
    _amount(
        "uss_bytes", "memory that only this process holds, /proc/PID/smaps_rollup; read every smaps_every_s"
    ),
    _amount("pss_bytes", "the same with shared pages divided among their users"),
    Column("cgroup_bytes", "memory charged to the arm's limit"),
    _amount("cpu_s", "user and system time of the process since its start, seconds"),
    _amount("threads", "threads of the process"),
    _amount("fds", "open file descriptors"),
    Column(
        "probe_ms", "what one answer of the probe took, milliseconds; empty when the probe did not answer"
    ),
    _amount("live_blocks", "sys.getallocatedblocks(): live blocks of the Python allocator"),
    _amount("pymalloc_arena_bytes", "arenas the Python allocator holds"),
    _amount("pymalloc_free_bytes", "of those, bytes in free blocks and unused pools"),
    _amount("malloc_in_use_bytes", "mallinfo2 uordblks + hblkhd: native bytes in use"),
    _amount("malloc_free_bytes", "mallinfo2 fordblks: free, but kept by malloc"),
    Column("gc_gen2_collections", "full collections since the process started"),
    Column("gc_collected", "objects the cyclic collector has freed, all generations"),
    Column("gc_uncollectable", "objects it could not free"),
    _amount("tasks_alive", "asyncio.Task objects alive, finished ones included"),
    _amount(
        "tasks_finished",
        "of those, finished but still referenced; exact up to 1,000, estimated from a stride beyond",
    ),
    _amount("sessions_alive", "aiohttp.ClientSession objects alive"),
    _amount("sessions_open", "of those, not closed"),
    Column("loop_lag_ms", "delay of a callback in the event loop, milliseconds"),
    Column("gauges", "gauges the target registered, a JSON object", kind="json", additive=True),
)

REQUEST_COLUMNS: Final = (
    Column("t_s", "start of the second, seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("arm", "the target build"),
    _text("phase", "warm-up, load or drain"),
    Column("planned", "requests whose planned start lies in this second"),
    Column("sent", "requests sent in this second"),
    Column("missed", "requests given up in this second: not started within max_lateness_s, and never sent"),
    Column("ok", "requests answered well in this second"),
    *(Column(f"failed_{kind}", f"requests that failed in this second: {kind}") for kind in FAILURE_KINDS),
    *(
        Column(
            f"latency_{q}_ms",
            f"{q} of the time from planned start to answer, milliseconds, all answers and failures",
        )
        for q in ("p50", "p90", "p99", "max")
    ),
    *(
        Column(
            f"service_{q}_ms",
            f"{q} of the time from sending to answer, milliseconds, all answers and failures",
        )
        for q in ("p50", "p90", "p99", "max")
    ),
)

EVENT_COLUMNS: Final = (
    Column("t_s", "seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("event", "one of EVENT_NAMES"),
    _text(
        "arm", "the arm it concerns, or stubs, locust, worker-N, judge, census or report; empty for the run"
    ),
    Column("life", "the arm's life"),
    Column("pid", "process id"),
    _text("by", "for exit: what ended the process: kernel, systemd-oomd, watchdog, soak, itself or unknown"),
    _text("detail", "one sentence"),
)

OOM_KILLERS: Final = ("kernel", "systemd-oomd", "watchdog")
"""Values of an exit event's ``by`` that mean: ended because of its memory."""

EVENT_NAMES: Final = {
    "run_start": "the run began",
    "start": "a process was started",
    "ready": "it answered; detail says after how long",
    "phase": "a phase began; detail is its name",
    "exit": "a process ended",
    "restart": "a dead arm is about to be started again",
    "given_up": "a dead arm stays dead: max_restarts is reached, or it died before it was ready",
    "gap": "readings were missed; detail says which and why",
    "unsampled": "the arm has more processes than are sampled; detail says how many",
    "limit": "counters of the arm's memory limit, read before it was removed",
    "stopped_early": "the load was ended because a gate was certain to fail (stop_on_fail); detail says why",
    "stats_reset": "somebody reset Locust's own statistics in the web UI; nothing that is recorded changes",
    "interrupted": "Ctrl-C, SIGTERM or an error cut the run short; detail says which",
    "run_end": "the run ended",
}

_CENSUS_OF = (
    Column("t_s", "seconds since the run's start"),
    _text("arm", "the target build"),
    Column("pid", "process id"),
    Column("life", "the arm's life"),
    _text("phase", "idle, warm-up, load, drain or quiesce"),
    _text("rung", "of the quiesce ladder; point in a pause of the load; empty in ordinary rows"),
)

CENSUS_COLUMNS: Final = (
    *_CENSUS_OF,
    _text("type", "module-qualified name of the type; of the many, the largest and those that grew most"),
    Column("objects", "objects of that type"),
    Column("bytes", "their size, as sys.getsizeof"),
)

CONTAINER_COLUMNS: Final = (
    *_CENSUS_OF,
    _text(
        "address", "where the container lies, hexadecimal; it is one container while address and type stay"
    ),
    _text("type", "module-qualified name of its type"),
    Column("length", "its items"),
)

HOLDER_COLUMNS: Final = (
    *_CENSUS_OF,
    _text("address", "of the container, hexadecimal; empty where the row is about a type"),
    _text("type", "module-qualified name of its type, or of the type whose objects grow in number"),
    Column("length", "its items, or the objects of the type"),
    _text(
        "holder", "the path of references that holds it, as one would write it; empty where none was found"
    ),
    Column("retained_bytes", "bytes that hang on it, by a bounded walk"),
    Column("retained_whole", "1 when that walk came to its end, 0 when it was cut short: then there is more"),
    _text(
        "entries",
        "a sample of what it holds, a JSON list: types, sizes, of tasks the coroutine and its creation",
    ),
)


def names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the column names, in file order."""
    return tuple(column.name for column in columns)
