"""The file formats of a run directory: names, units and meaning of all that is recorded.

Everything that writes or reads a recording takes its names from here. ``t_s`` is seconds since the run's start on
the monotonic clock. An empty cell was not read; it is never 0. Sizes are bytes.

    runs/<id>/manifest.json          what ran, where, with which configuration, and how it ended
              events.csv             starts, phases, kills, restarts, readings that were missed
              traffic.json           the planned load, as it was handed to Locust
              live.json              the verdict so far, replaced while the run goes on
              <arm>/samples.csv      one row per second of each process
              <arm>/census.csv       objects by type, read from outside every census_every_s and on the quiesce ladder
              <arm>/containers.csv   lengths of the containers that have grown, from the same censuses
              <arm>/holders.csv      which path holds each of those that grow, named while nothing is loaded
              <arm>/requests.csv     one row per second of load
              <arm>/latency.hlog     HDR histogram log (standard format): tags "latency" and "service", microseconds
              logs/                  the output of every process
              SHA256SUMS             hashes of all of it but live.json, written at the run's end
              report/                made from the rest, at any time
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

SCHEMA_VERSION: Final = 1
"""History: 1, the first."""

MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.csv"
TRAFFIC: Final = "traffic.json"
LIVE: Final = "live.json"
SAMPLES: Final = "samples.csv"
CENSUS: Final = "census.csv"
CONTAINERS: Final = "containers.csv"
HOLDERS: Final = "holders.csv"
REQUESTS: Final = "requests.csv"
LATENCY_LOG: Final = "latency.hlog"
LOGS: Final = "logs"
SUMS: Final = "SHA256SUMS"
REPORT: Final = "report"
SUMMARY: Final = "summary.json"
"""In the report."""

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

LATENCY_TAG: Final = "latency"
SERVICE_TAG: Final = "service"
HISTOGRAM_LOWEST_US: Final = 1
HISTOGRAM_HIGHEST_US: Final = 60_000_000
HISTOGRAM_DIGITS: Final = 3

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

AT_MOST: Final = "<="
AT_LEAST: Final = ">="


@dataclass(frozen=True, slots=True)
class GateKind:
    """What a gate of a sign-off is held to."""

    unit: str
    """Of its value and its limit: bytes, s, ms, share (of 1), times or count."""
    relation: str
    """AT_MOST or AT_LEAST."""
    example: str
    meaning: str


GATES: Final = {
    "min_time_to_oom": GateKind(
        "s", AT_LEAST, ">= 30d", "time until the memory limit is met at the leak rate"
    ),
    "max_rss": GateKind("bytes", AT_MOST, "<= 300 MiB", "highest resident memory, before the quiesce ladder"),
    "p99_ms": GateKind("ms", AT_MOST, "<= 50 ms", "p99 of the latency over the whole load"),
    "p99_drift": GateKind("times", AT_MOST, "<= 1.2x", "that of the load's last quarter, against its first"),
    "error_rate": GateKind("share", AT_MOST, "<= 0.1%", "requests that failed, of those sent"),
    "availability": GateKind("share", AT_LEAST, ">= 99.9%", "requests answered well, of those planned"),
    "tasks": GateKind("count", AT_MOST, "<= 50", "asyncio tasks alive once the load is drained"),
    "sessions": GateKind("count", AT_MOST, "<= 10", "client sessions open once the load is drained"),
    "fds": GateKind("count", AT_MOST, "<= 100", "file descriptors open once the load is drained"),
}
"""The gates a profile may set, beside the gate ``leak``, which is always held."""


@dataclass(frozen=True, slots=True)
class GateLimit:
    """One gate of a profile, as the manifest carries it."""

    gate: str
    """A key of GATES."""
    relation: str
    limit: float
    """In the gate's unit; where ``of_before``, times the baseline arm's own value."""
    of_before: bool
    text: str
    """As the profile says it."""


ARTICLE_MEMORY_BYTES: Final = ((0, 200e6), (1, 850e6), (2, 1.8e9), (3, 3.2e9), (4, 5.1e9), (6, 8.0e9))
"""The article's gateway before the fix: hours since start, memory. At 6 h it is OOM-killed."""

LOW_TRAFFIC_H: Final = (4.2, 4.6)
"""The stretch of the shape ``incident`` at a tenth of the rate, article hours."""

SHAPES: Final = ("steady", "incident", "diurnal", "steps")

TRAFFIC_READY: Final = "soak: load ready"
"""Locust prints this line when it can start; it then waits for ``start <t_s>`` on its standard input.

With its web UI it waits for Start there, as often as it comes.
"""
LOAD_BEGAN: Final = "soak: load began"
"""Locust prints it with the starts of warm-up and load, ``t_s``, when a load is about to begin."""
LOAD_ENDED: Final = "soak: load ended"
"""Locust prints it with the ``t_s`` when the last answer of a load is recorded."""
WEB_USER: Final = "SOAK_WEB_USER"
WEB_PASSWORD: Final = "SOAK_WEB_PASSWORD"  # noqa: S105 - the name of the variable
"""Variables that tell Locust who may use its web UI."""
STATS_RESET: Final = "soak: stats reset"
"""Locust prints it when somebody resets its statistics in the web UI."""
CENSUS_TAKEN: Final = "soak: census taken"
"""The recorder of the heap prints it, with JSON, when it has obeyed an order."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What the shape ``incident`` needs to turn the article's growth into request rates."""

    memory_scale: float
    """The article's bytes are divided by this."""
    retained_bytes_per_request: float
    """What one loaded request leaves behind in the arm that leaks."""
    start_bytes: float
    """Planned memory of that arm at hour 0, after the warm-up."""
    limit_bytes: float
    """The arm's memory limit, met at 5.6 h."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The planned load, written to ``traffic.json`` by the run and read by the locustfile."""

    seed: int
    t0_monotonic_s: float
    """The run's start on this machine's monotonic clock."""
    out_dir: str
    """The run directory; each arm's recordings go to ``<out_dir>/<arm>/``, which exists."""
    arms: dict[str, str]
    """Arm name to base URL, ``http://127.0.0.1:8001``."""
    path: str
    """``/api/{service}``; the service is an instance name such as ``orders-017``."""
    services: tuple[str, ...]
    instances_per_hour: float
    """New instance names per article hour."""
    instances_live: int
    """Instance names in use at a time."""
    hour_s: float
    """Seconds an article hour takes."""
    warmup_s: float
    warmup_rps: float
    warmup_request_bytes: int
    shape: str
    """One of SHAPES."""
    load_s: float
    rate_rps: float
    """Requests per second and arm: of ``steady``, the mean of a day of ``diurnal``, the peak of ``steps``."""
    request_bytes: int
    users_per_arm: int
    """Requests an arm can have in flight, for each process that sends."""
    max_lateness_s: float
    network_timeout_s: float
    incident: Incident | None = None
    quiesce_every_s: float | None = None
    """Period of the pauses, counted from the start of the warm-up; None: there are none."""
    quiesce_pause_s: float = 1.0
    """Pause k is [k * quiesce_every_s - quiesce_pause_s, k * quiesce_every_s), k from 1: no request starts in it."""
    locustfile: str = ""
    """A team's own; its users decide what is sent, and of this plan only arms, times and pauses count. Else empty."""

    def to_json(self) -> str:
        """Return the text of ``traffic.json``."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Traffic:
        """Read what ``to_json`` wrote; raises ValueError, TypeError or KeyError for anything else."""
        fields = json.loads(text)
        if (version := fields.pop("schema_version")) != SCHEMA_VERSION:
            raise ValueError(f"traffic plan of schema {version}, this is {SCHEMA_VERSION}")
        incident = fields.pop("incident")
        fields["services"] = tuple(fields["services"])
        return cls(**fields, incident=None if incident is None else Incident(**incident))


@dataclass(frozen=True, slots=True)
class ArmLive:
    """The verdict on one arm so far; None for what is not known, also for a time to OOM without end."""

    verdict: str
    """leak, no_leak or inconclusive."""
    reason: str
    """One sentence, without a full stop."""
    rate_per_s: float | None = None
    """Leak rate in bytes per second."""
    rate_per_request: float | None = None
    """The same in bytes per request."""
    low: float | None = None
    """Lower end of the interval of ``rate_per_s``."""
    high: float | None = None
    """Upper end of it."""
    oom_low_s: float | None = None
    """Earliest time to OOM, seconds from ``updated_t_s``."""
    oom_high_s: float | None = None
    """Latest."""
    signals: Mapping[str, str] = field(default_factory=dict)
    """Verdict by signal."""
    certain_fail: bool = False
    """A gate of this arm will fail whatever comes."""
    suspect: str = ""
    """What grows most and who holds it, in words with its rate; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Live:
    """The verdict so far, written to ``live.json`` by ``soak judge --follow`` and read by the run."""

    updated_t_s: float
    """Until here the recording was read, ``t_s``."""
    arms: Mapping[str, ArmLive]

    def to_json(self) -> str:
        """Return the text of ``live.json``; numbers that are not finite become null."""
        arms = {
            name: {key: _finite(value) for key, value in asdict(arm).items()}
            for name, arm in self.arms.items()
        }
        fields = {"schema_version": SCHEMA_VERSION, "updated_t_s": self.updated_t_s, "arms": arms}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Live:
        """Read what ``to_json`` wrote; raises ValueError, TypeError, KeyError or AttributeError for anything else."""
        fields = json.loads(text)
        if (version := fields["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"live verdict of schema {version}, this is {SCHEMA_VERSION}")
        arms = {name: ArmLive(**arm) for name, arm in fields["arms"].items()}
        return cls(updated_t_s=float(fields["updated_t_s"]), arms=arms)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the column names, in file order."""
    return tuple(column.name for column in columns)
