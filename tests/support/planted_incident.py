"""Run directories of two arms with the planted truth of an incident: one is killed, the other lives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from soak import contract
from tests.support import run_directory
from tests.support.run_directory import RESTART_S, write_latency_log

HOUR_S = 30.0
SCALE = 16.0
LIMIT = 512_000_000
RPS = 80
PHASES = {"idle": 0.0, "warm-up": 6.0, "load": 21.0, "drain": 201.0, "quiesce": 211.0}
LOAD_S = 21.0
END_S = 216.0
RESERVE_BYTES = 144_000
"""What memory of no known allocator gains in the warm-up: 10 B for each request of the load."""


@dataclass(frozen=True)
class Planted:
    """The truth of a recording; the defaults reproduce the incident."""

    incident: bool = True
    status: str = "complete"
    status_detail: str = ""
    kill_hour: float | None = 5.6
    killed_by: str = "kernel"
    growth_share: float = 1.0
    """Of the incident's growth in before."""
    after_growth_bytes: float = 1e6
    """In after, from hour 0 to hour 6."""
    after_start_bytes: float = 70e6
    tasks_after: int = 3
    restart_bytes: float = 71e6
    """Before's memory when it was started again; at first it was 70 MB."""
    cpu_ms_before: float = 1.1
    """CPU time of a request in before; in after it is 1 ms."""
    sent_share: float = 1.0
    end_s: float = END_S
    """When the recording breaks off."""
    roles: tuple[str, ...] = ("before", "after")
    probe: bool = True
    judge: dict[str, Any] = field(
        default_factory=lambda: {"max_leak_bytes_per_request": 200.0, "control": "leaky"}
    )
    gates: tuple[contract.GateLimit, ...] = ()


Build = Callable[..., Path]
"""A function that writes a run directory from the fields of Planted and returns it."""


_WRITTEN: Final[dict[str, dict[Path, bytes]]] = {}
"""Files by their paths in a run directory, by its name and its truth: hundreds of tests plant the same few."""


def write_incident(run_dir: Path, planted: Planted) -> Path:
    """Write the run directory of this truth and return it."""
    key = f"{run_dir.name} {planted}"
    if key not in _WRITTEN:
        _write(run_dir, planted)
        paths = (path for path in run_dir.rglob("*") if path.is_file())
        _WRITTEN[key] = {path.relative_to(run_dir): path.read_bytes() for path in paths}
        return run_dir
    run_dir.mkdir()
    for path, content in _WRITTEN[key].items():
        (run_dir / path).parent.mkdir(exist_ok=True)
        (run_dir / path).write_bytes(content)
    return run_dir


def _write(run_dir: Path, planted: Planted) -> None:
    names = ("leaky", "fixed")[: len(planted.roles)]
    manifest = run_directory.manifest(
        dict(zip(names, planted.roles, strict=True)),
        180.0,
        limit_bytes=LIMIT,
        profile="demo",
        status=planted.status,
        status_detail=planted.status_detail,
        hour_s=HOUR_S,
        memory_scale=SCALE,
        incident=planted.incident,
        missed_readings={"fixed": {"probe": 3}},
        host={"cores": 2},
        judge=planted.judge,
        gates=[asdict(limit) for limit in planted.gates],
    )
    kills = {name: at_s for name in names if (at_s := kill_s(planted, name)) < planted.end_s}
    events = run_directory.events(PHASES, END_S, names, kills, planted.killed_by)
    arms = {name: (samples(planted, name), requests(planted, name)) for name in names}
    run_directory.write_run(run_dir, manifest, [row for row in events if row["t_s"] <= planted.end_s], arms)
    for name in names:
        write_latencies(run_dir / name / contract.LATENCY_LOG, planted)


def kill_s(planted: Planted, name: str) -> float:
    """When the arm is killed; after the run's end when it is not."""
    leaks = name == "leaky" and planted.kill_hour is not None
    return LOAD_S + (planted.kill_hour or 0.0) * HOUR_S if leaks else np.inf


def phase_at(t_s: float) -> str:
    """The phase a moment lies in."""
    return [name for name, start_s in PHASES.items() if start_s <= t_s][-1]


def samples(planted: Planted, name: str) -> Iterable[dict[str, Any]]:
    """The rows of an arm's samples.csv: one a second, none while it is dead."""
    hours, memory = zip(
        *contract.INCIDENT_MEMORY_BYTES[:-1], (5.6, 200e6 + SCALE * (LIMIT - 80e6)), strict=True
    )
    killed_s = kill_s(planted, name)
    for t_s in np.arange(1.0, min(planted.end_s, END_S - 1)):
        if killed_s <= t_s < killed_s + RESTART_S:
            continue
        life, born_s = (1, LOAD_S) if t_s < killed_s else (2, killed_s + RESTART_S)
        loaded_s = max(0.0, min(t_s, LOAD_S + 6 * HOUR_S) - born_s)
        warm_bytes = 8e6 * min(1.0, max(0.0, (t_s - 6.0) / 10.0))
        reserve = RESERVE_BYTES * warm_bytes / 8e6
        if name == "leaky":
            grown = (np.interp(loaded_s / HOUR_S, hours, memory) - memory[0]) / SCALE * planted.growth_share
            rss, tasks, sessions, cache = (
                (70e6 + warm_bytes if life == 1 else planted.restart_bytes) + grown,
                RPS * loaded_s,
                1 + 2 * loaded_s,
                RPS * loaded_s,
            )
        else:
            grown = planted.after_growth_bytes * loaded_s / (6 * HOUR_S)
            rss = planted.after_start_bytes + warm_bytes + grown
            tasks, sessions, cache = planted.tasks_after, 4, min(5000, RPS * loaded_s)
        cpu_ms = planted.cpu_ms_before if name == "leaky" else 1.0
        row = {
            "t_s": t_s + 0.002,
            "arm": name,
            "pid": 100,
            "life": life,
            "phase": phase_at(t_s),
            "rss_bytes": round(rss),
            "anon_bytes": round(rss - 20e6),
            "shmem_bytes": 0,
            "file_bytes": 20_000_000,
            "cgroup_bytes": round(rss + 2e6),
            "cgroup_shmem_bytes": 0,
            "cgroup_kernel_bytes": 1_000_000,
            "cgroup_file_bytes": 21_000_000,
            "cpu_s": round(2 + cpu_ms / 1000 * RPS * planted.sent_share * loaded_s, 3),
        }
        inside = {
            "probe_ms": 1.0,
            "live_blocks": round(300_000 + 12 * tasks),
            "pymalloc_arena_bytes": 8_000_000,
            "pymalloc_free_bytes": 1_000_000,
            "pymalloc_unused_bytes": 0,
            "allocator": "glibc",
            "malloc_in_use_bytes": round(rss - 30e6 - reserve),
            "malloc_free_bytes": 1_000_000,
            "malloc_arena_bytes": round(rss - 29e6 - reserve),
            "malloc_top_bytes": 0,
            "tasks_finished": round(tasks),
            "sessions_open": round(sessions),
            "gauges": json.dumps({"cache_entries": round(cache), "history_entries": round(cache)}),
        }
        yield row | inside if planted.probe else row


def requests(planted: Planted, name: str) -> Iterable[dict[str, Any]]:
    """The rows of an arm's requests.csv."""
    killed_s = kill_s(planted, name)
    for t_s in np.arange(6.0, min(planted.end_s, 211.0)):
        dead = killed_s - 1 < t_s < killed_s + RESTART_S
        planned = RPS if LOAD_S <= t_s < LOAD_S + 6 * HOUR_S else 0
        sent = 0 if dead else round(planned * planted.sent_share)
        row = {"t_s": t_s, "arm": name, "phase": phase_at(t_s), "planned": planned, "sent": sent}
        row |= {
            "missed": planned - sent,
            "ok": sent,
            **{f"failed_{kind}": 0 for kind in contract.FAILURE_KINDS},
        }
        if sent:
            slow = 2.0 if name == "leaky" else 1.0
            row |= {"latency_p50_ms": 3 * slow, "latency_p99_ms": 9 * slow + t_s % 5}
        yield row


def write_latencies(path: Path, planted: Planted) -> None:
    """Ten-second intervals of load, 1,000 requests each: half at 4 ms, the rest at 8 ms; the warm-up at 900 ms."""
    starts_s = np.arange(11.0, min(planted.end_s, 201.0), 10.0)
    loaded, warm_up = ((4_000, 500), (8_000, 500)), ((900_000, 500),)
    write_latency_log(
        path, ((at_s, 10.0, loaded if at_s >= LOAD_S else warm_up) for at_s in starts_s), service_share=0.5
    )
