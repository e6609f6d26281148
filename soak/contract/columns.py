"""Every column and event of a recording, with its unit and its meaning, and the names in its cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

FAILURE_KINDS: Final = (
    "timeout",
    "connect",
    "reset",
    "refused",
    "too_large",
    "4xx",
    "5xx",
    "error_body",
    "other",
)
"""Kinds of failed requests. ``connect``: no connection; ``reset``: it broke; ``refused``: no upgrade to a WebSocket;
``too_large``: the answer is longer than ``traffic.max_response``; ``error_body``: status 200 with an error inside."""
LATER_FAILURE_KINDS: Final = ("too_large", "refused")
"""Those of FAILURE_KINDS that earlier recordings lack."""

IDLE: Final = "idle"
WARMUP: Final = "warm-up"
LOAD: Final = "load"
DRAIN: Final = "drain"
QUIESCE: Final = "quiesce"
PHASES: Final = (IDLE, WARMUP, LOAD, DRAIN, QUIESCE)
RUNGS: Final = ("drained", "collected", "trimmed")
"""The quiesce ladder: after the drain, after ``gc.collect``, after ``malloc_trim``."""
POINT: Final = "point"
"""The rung of a quiesce point, no part of the ladder: read in a pause of the load, after ``gc.collect``."""


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
    optional: bool = False
    """Whether earlier recordings lack it; there it is empty, and no gap."""
    by_probe: bool = False
    """Whether the probe reports it, which makes it the target's own word; else it is read from outside the target."""


def _text(name: str, meaning: str, *, optional: bool = False) -> Column:
    return Column(name, meaning, "text", optional=optional)


def _amount(name: str, meaning: str, *, optional: bool = False) -> Column:
    return Column(name, meaning, additive=True, optional=optional)


def _reported(*columns: Column) -> tuple[Column, ...]:
    return tuple(replace(column, by_probe=True) for column in columns)


PROBE_COLUMNS: Final = _reported(
    _amount("live_blocks", "sys.getallocatedblocks(): live blocks of the Python allocator"),
    _amount("pymalloc_arena_bytes", "arenas of the Python allocator"),
    _amount("pymalloc_free_bytes", "of those, bytes in free blocks and unused pools"),
    _amount("pymalloc_unused_bytes", "of those, bytes in unused pools", optional=True),
    _text(
        "allocator",
        "the allocator behind malloc: glibc, jemalloc or tcmalloc; empty: none that can be asked",
        optional=True,
    ),
    _amount("malloc_in_use_bytes", "native bytes in use, as that allocator reports them; empty without one"),
    _amount("malloc_free_bytes", "free bytes that it retains"),
    _amount(
        "malloc_arena_bytes",
        "bytes that malloc took from the system and retains; glibc: without mapped blocks",
        optional=True,
    ),
    _amount(
        "malloc_top_bytes",
        "of the free bytes, those that may be untouched: glibc's top, tcmalloc's page heap",
        optional=True,
    ),
    Column(
        "gc_gen2_collections",
        "full collections since the process started; where no probe answers, of CPython 3.15 by the newest census",
    ),
    Column(
        "gc_collected", "objects that the cyclic collector freed, all generations; without a probe likewise"
    ),
    Column("gc_uncollectable", "objects that it could not free; without a probe likewise"),
    _amount(
        "tasks_alive",
        "asyncio.Task objects alive; finished ones too, on CPython 3.14 and later only at points and rungs",
    ),
    _amount(
        "tasks_finished",
        "of those, finished but still referenced; exact up to 1,000, estimated from a sample beyond; empty where "
        "those are not counted",
    ),
    _amount("sessions_alive", "aiohttp.ClientSession objects alive"),
    _amount("sessions_open", "of those, not closed"),
    Column("loop_lag_ms", "delay of a callback in the event loop, milliseconds"),
    Column("gauges", "gauges that the target registered, a JSON object", kind="json", additive=True),
)
"""All that is taken from the probe's answer to ``sample``."""

SAMPLE_COLUMNS: Final = (
    Column("t_s", "time of the reading, seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("arm", "the target build"),
    Column("pid", "process id"),
    Column("life", "number of the process within the arm, from 1: a restart or a worker gets the next one"),
    _text("phase", "idle, warm-up, load, drain or quiesce"),
    _text(
        "rung",
        "drained, collected or trimmed on the quiesce ladder; point at a quiesce point; otherwise empty",
    ),
    _amount("rss_bytes", "resident memory, /proc/PID/statm"),
    _amount("uss_bytes", "memory private to the process, /proc/PID/smaps_rollup; read every smaps_every_s"),
    _amount("pss_bytes", "USS plus a proportional share of the shared pages, from the same file"),
    _amount(
        "anon_bytes",
        "anonymous memory, resident or swapped out: RssAnon + VmSwap, /proc/PID/status",
        optional=True,
    ),
    _amount("shmem_bytes", "resident shared memory that the process maps: RssShmem", optional=True),
    _amount("file_bytes", "resident pages of mapped files: RssFile", optional=True),
    Column("cgroup_bytes", "memory charged to the arm's limit"),
    Column(
        "cgroup_shmem_bytes",
        "of the charge, shared memory and files on tmpfs, mapped or not; empty without a cgroup",
        optional=True,
    ),
    Column(
        "cgroup_kernel_bytes",
        "of the charge, kernel memory; with cgroup v2 without what it gives back under pressure",
        optional=True,
    ),
    Column(
        "cgroup_file_bytes",
        "of the charge, file cache without shared memory; with cgroup v2 also kernel memory that is given back",
        optional=True,
    ),
    _amount("cpu_s", "user and system time of the process since its start, seconds"),
    _amount("threads", "threads of the process"),
    Column(
        "threads_limit",
        "most threads that the process's cgroup allows (pids.max), 32,768 without; read every smaps_every_s",
        optional=True,
    ),
    _amount("fds", "open file descriptors"),
    _amount(
        "fds_limit",
        "limit of open file descriptors (soft RLIMIT_NOFILE); read every smaps_every_s",
        optional=True,
    ),
    _text(
        "foreign_allocators",
        "loaded libraries with an allocator of their own, space-separated; read every smaps_every_s",
        optional=True,
    ),
    _amount(
        "pool_free_bytes",
        "free bytes in the touched pools of the Python allocator, read from outside by the newest census; empty "
        "where there is none since the row before",
        optional=True,
    ),
    _amount("probe_ms", "time of the probe's answer, milliseconds; empty without an answer"),
    Column(
        "metrics_ms",
        "time of the answer of an arm's own metrics, milliseconds; empty of an arm that does not run elsewhere",
        optional=True,
    ),
    Column(
        "until_next_s",
        "planned time to the next row of an arm that runs elsewhere, seconds, where its answers take so long that it "
        "is more than every_s",
        optional=True,
    ),
    *PROBE_COLUMNS,
)

REQUEST_COLUMNS: Final = (
    Column("t_s", "start of the second, seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("arm", "the target build"),
    _text("phase", "warm-up, load or drain"),
    Column("planned", "requests whose planned start lies in this second"),
    Column("sent", "requests sent in this second"),
    Column("missed", "requests missed in this second: not started within max_lateness_s, never sent"),
    Column(
        "ok",
        "requests answered without failure in this second; those of a bad client (abort, slow, half) and WebSockets "
        "once they ended",
    ),
    *(
        Column(
            f"failed_{kind}",
            f"requests that failed in this second: {kind}",
            optional=kind in LATER_FAILURE_KINDS,
        )
        for kind in FAILURE_KINDS
    ),
    *(
        Column(
            f"latency_{q}_ms",
            f"{q} of the time from planned start to answer or open WebSocket, milliseconds, failures included, bad "
            "clients not",
        )
        for q in ("p50", "p90", "p99", "max")
    ),
    *(
        Column(
            f"service_{q}_ms",
            f"{q} of the time from sending to answer or open WebSocket, milliseconds, failures included, bad clients "
            "not",
        )
        for q in ("p50", "p90", "p99", "max")
    ),
    Column(
        "sent_by_name",
        "requests sent in this second by their name in the profile, a JSON object; empty where none was sent or a "
        "locustfile decides",
        kind="json",
        optional=True,
    ),
    Column("opened", "WebSockets opened in this second", optional=True),
    Column("messages_sent", "messages sent over WebSockets in this second", optional=True),
    Column("messages_received", "messages received over WebSockets in this second", optional=True),
    *(
        Column(
            f"round_trip_{q}_ms",
            f"{q} of the time from a message of a WebSocket with echo to the next one received, milliseconds",
            optional=True,
        )
        for q in ("p50", "p90", "p99", "max")
    ),
)

EVENT_COLUMNS: Final = (
    Column("t_s", "seconds since the run's start"),
    _text("wall_time", "the same in UTC, ISO 8601, for people"),
    _text("event", "one of the events below"),
    _text("arm", "the arm, or stubs, locust, worker-N, judge, census or report; empty for the run"),
    Column("life", "the arm's life"),
    Column("pid", "process id"),
    _text("by", "of an exit, the cause: kernel, systemd-oomd, watchdog, soak, itself or unknown"),
    _text("detail", "one sentence"),
)

OOM_KILLERS: Final = ("kernel", "systemd-oomd", "watchdog")
"""Values of an exit event's ``by`` that mean: ended because of its memory."""

EVENT_NAMES: Final = {
    "run_start": "the run began",
    "start": "a process was started",
    "ready": "a process became ready; detail: after how long",
    "probe_injected": "a probe was put into a process that ran without one; detail: where its files are",
    "probe_not_injected": "a process that ran without a probe was given none; detail: why",
    "phase": "a phase began; detail: its name",
    "exit": "a process ended",
    "restart": "a dead arm is restarted",
    "not_restarted": "the arm will not be restarted: the detail is why, as that max_restarts is reached",
    "rehearsed": "holders were searched for before the load, so that what this takes is there; detail: how much",
    "gap": "readings were missed; detail: which and why",
    "unsampled": "the arm has more processes than are sampled; detail: how many",
    "sampled_less": "an arm is read less often, as its answers or sizes take long; detail: how often",
    "incremental_collector": "the arm's CPython, 3.14.0 to 3.14.4, frees reference cycles late; detail: its version",
    "limit": "counters of the arm's memory limit, read before it was removed; detail: JSON",
    "stopped_early": "the load was ended because a gate was certain to fail (stop_on_fail); detail: why",
    "stats_reset": "Locust's own statistics were reset in the web UI; the recording is unchanged",
    "worker_lost": "a worker of Locust ended, or was silent for 10 s; detail: which, and what becomes of its share",
    "interrupted": "Ctrl-C, SIGTERM or an error ended the run early; detail: which",
    "run_end": "the run ended",
}

_CENSUS_OF = (
    Column("t_s", "seconds since the run's start"),
    _text("arm", "the target build"),
    Column("pid", "process id"),
    Column("life", "the arm's life"),
    _text("phase", "idle, warm-up, load, drain or quiesce"),
    _text("rung", "rung of the quiesce ladder; point at a quiesce point; otherwise empty"),
)

CENSUS_COLUMNS: Final = (
    *_CENSUS_OF,
    _text("type", "module-qualified name of the type; the largest types and those that grew most"),
    Column("objects", "objects of that type"),
    Column("bytes", "size of these objects, as sys.getsizeof"),
)

CONTAINER_COLUMNS: Final = (
    *_CENSUS_OF,
    _text("address", "address of the container, hexadecimal; with the type it identifies the container"),
    _text("type", "module-qualified name of its type"),
    Column("length", "number of items"),
)

HOLDER_COLUMNS: Final = (
    *_CENSUS_OF,
    _text(
        "address", "address of the container, hexadecimal; empty in a row about a type, 0x1 in a rehearsal"
    ),
    _text("type", "module-qualified name of the container's type, or of the type that grows"),
    Column("length", "number of items, or of objects of the type"),
    *_reported(
        _text("holder", "path of references that retains it, in Python notation; empty where none was found"),
        Column("retained_bytes", "bytes that it retains, by a bounded walk"),
        Column(
            "retained_whole", "1 for a complete walk; 0 for an incomplete one, whose bytes are a lower bound"
        ),
        _text(
            "entries",
            "sample of its entries, a JSON list: types, sizes, of a task its coroutine and creation; none above 64 KiB",
        ),
    ),
)

STUCK_COLUMNS: Final = (
    *_CENSUS_OF,
    *_reported(
        _text("coroutine", "coroutine of the tasks; empty of those that are in no row of their own"),
        _text(
            "waits_at",
            "line at which they wait, outside Python's library and packages if there is one, as file:line",
        ),
        _text("source", "text of that line; empty where it could not be read"),
        _text("waits_in", "where they wait below that line, and the coroutine of the task that they await"),
        _text("created", "line that created the newest one looked at, as file:line; empty: not known"),
        Column("stuck", "pending tasks of this row that nothing can wake"),
        Column("pending", "pending tasks of this row"),
        _text("refused", "why nothing was proved; empty where it was"),
    ),
)


def names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the column names, in file order."""
    return tuple(column.name for column in columns)
