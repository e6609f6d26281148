"""Every column and event of a recording, with its unit and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAILURE_KINDS: Final = ("timeout", "connect", "reset", "4xx", "5xx", "error_body", "other")
"""``connect``: no connection; ``reset``: it broke; ``error_body``: status 200 with an error inside."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a recording: its name, which carries the unit, and what it holds."""

    name: str
    meaning: str


def _columns(*rows: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, meaning) for name, meaning in rows)


SAMPLE_COLUMNS: Final = _columns(
    ("t_s", "when the row was read, seconds since the run's start"),
    ("wall_time", "the same in UTC, ISO 8601, for people"),
    ("arm", "the target build"),
    ("pid", "process id"),
    ("life", "counts the arm's processes from 1: the next is its restart, or a worker below it"),
    ("phase", "idle, warm-up, load, drain or quiesce"),
    (
        "rung",
        "of the quiesce ladder: drained, collected or trimmed; point in a pause of the load; empty in ordinary rows",
    ),
    ("rss_bytes", "resident memory, /proc/PID/statm"),
    ("uss_bytes", "memory that only this process holds, /proc/PID/smaps_rollup; read every smaps_every_s"),
    ("pss_bytes", "the same with shared pages divided among their users"),
    ("cgroup_bytes", "memory charged to the arm's limit"),
    ("cpu_s", "user and system time of the process since its start, seconds"),
    ("threads", "threads of the process"),
    ("fds", "open file descriptors"),
    ("probe_ms", "what one answer of the probe took, milliseconds; empty when the probe did not answer"),
    ("live_blocks", "sys.getallocatedblocks(): live blocks of the Python allocator"),
    ("pymalloc_arena_bytes", "arenas the Python allocator holds"),
    ("pymalloc_free_bytes", "of those, bytes in free blocks and unused pools"),
    ("malloc_in_use_bytes", "mallinfo2 uordblks + hblkhd: native bytes in use"),
    ("malloc_free_bytes", "mallinfo2 fordblks: free, but kept by malloc"),
    ("gc_gen2_collections", "full collections since the process started"),
    ("gc_collected", "objects the cyclic collector has freed, all generations"),
    ("gc_uncollectable", "objects it could not free"),
    ("tasks_alive", "asyncio.Task objects alive, finished ones included"),
    (
        "tasks_finished",
        "of those, finished but still referenced; exact up to 1,000, estimated from a stride beyond",
    ),
    ("sessions_alive", "aiohttp.ClientSession objects alive"),
    ("sessions_open", "of those, not closed"),
    ("loop_lag_ms", "delay of a callback in the event loop, milliseconds"),
    ("cache_entries", "gauge registered by the target"),
    ("history_entries", "gauge registered by the target"),
    ("other_gauges", "other gauges the target registered, a JSON object"),
)

REQUEST_COLUMNS: Final = _columns(
    ("t_s", "start of the second, seconds since the run's start"),
    ("wall_time", "the same in UTC, ISO 8601, for people"),
    ("arm", "the target build"),
    ("phase", "warm-up, load or drain"),
    ("planned", "requests whose planned start lies in this second"),
    ("sent", "requests sent in this second"),
    ("missed", "requests given up in this second: not started within max_lateness_s, and never sent"),
    ("ok", "requests answered well in this second"),
    *((f"failed_{kind}", f"requests that failed in this second: {kind}") for kind in FAILURE_KINDS),
    *(
        (
            f"latency_{q}_ms",
            f"{q} of the time from planned start to answer, milliseconds, all answers and failures",
        )
        for q in ("p50", "p90", "p99", "max")
    ),
    *(
        (f"service_{q}_ms", f"{q} of the time from sending to answer, milliseconds, all answers and failures")
        for q in ("p50", "p90", "p99", "max")
    ),
)

EVENT_COLUMNS: Final = _columns(
    ("t_s", "seconds since the run's start"),
    ("wall_time", "the same in UTC, ISO 8601, for people"),
    ("event", "one of EVENT_NAMES"),
    ("arm", "the arm it concerns, or stubs, locust, worker-N, judge, census or report; empty for the run"),
    ("life", "the arm's life"),
    ("pid", "process id"),
    ("by", "for exit: what ended the process: kernel, systemd-oomd, watchdog, soak, itself or unknown"),
    ("detail", "one sentence"),
)

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

OUTSIDE: Final = "outside"
PROBE: Final = "probe"

_CENSUS_OF = (
    ("t_s", "seconds since the run's start"),
    ("arm", "the target build"),
    ("pid", "process id"),
    ("life", "the arm's life"),
    ("phase", "idle, warm-up, load, drain or quiesce"),
    ("rung", "of the quiesce ladder; point in a pause of the load; empty in ordinary rows"),
)

CENSUS_COLUMNS: Final = _columns(
    *_CENSUS_OF,
    (
        "by",
        "outside: every object, read from outside; probe: those the cyclic collector tracks, counted inside",
    ),
    ("type", "module-qualified name of the type; of the many, the largest and those that grew most"),
    ("objects", "objects of that type"),
    ("bytes", "their size, as sys.getsizeof; empty when counted by the probe"),
)

CONTAINER_COLUMNS: Final = _columns(
    *_CENSUS_OF,
    ("address", "where the container lies, hexadecimal; it is one container while address and type stay"),
    ("type", "module-qualified name of its type"),
    ("length", "its items"),
)

HOLDER_COLUMNS: Final = _columns(
    *_CENSUS_OF,
    ("address", "of the container, hexadecimal; empty where the row is about a type"),
    ("type", "module-qualified name of its type, or of the type whose objects grow in number"),
    ("length", "its items, or the objects of the type"),
    ("holder", "the path of references that holds it, as one would write it; empty where none was found"),
    ("retained_bytes", "bytes that hang on it, by a bounded walk"),
    ("retained_whole", "1 when that walk came to its end, 0 when it was cut short: then there is more"),
    (
        "entries",
        "a sample of what it holds, a JSON list: types, sizes, of tasks the coroutine and its creation",
    ),
)


def names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the column names, in file order."""
    return tuple(column.name for column in columns)
