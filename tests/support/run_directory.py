"""Writes run directories: every planted recording of tests and benchmarks is made of these files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd

from locustfiles.counts import new_histogram
from soak import contract

Rows = pd.DataFrame | Iterable[Mapping[str, Any]]
Latencies = tuple[tuple[int, int], ...]
"""Pairs of a latency in microseconds and the number of requests that took it."""

RESTART_S: Final = 3.0
"""Seconds from a kill until the next life is ready."""
_COLUMNS: Final = {
    contract.EVENTS: contract.EVENT_COLUMNS,
    contract.SAMPLES: contract.SAMPLE_COLUMNS,
    contract.REQUESTS: contract.REQUEST_COLUMNS,
    contract.CENSUS: contract.CENSUS_COLUMNS,
    contract.CONTAINERS: contract.CONTAINER_COLUMNS,
    contract.HOLDERS: contract.HOLDER_COLUMNS,
    contract.STUCK: contract.STUCK_COLUMNS,
}


def write_run(
    run_dir: Path, manifest: Mapping[str, Any], events: Rows, arms: Mapping[str, tuple[Rows, Rows]]
) -> Path:
    """Write the manifest, the events, and the samples and requests of each arm; return the directory."""
    run_dir.mkdir()
    (run_dir / contract.MANIFEST).write_text(json.dumps({"run_id": run_dir.name, **manifest}))
    write_table(run_dir / contract.EVENTS, events)
    for name, (samples, requests) in arms.items():
        (run_dir / name).mkdir()
        write_table(run_dir / name / contract.SAMPLES, samples)
        write_table(run_dir / name / contract.REQUESTS, requests)
    return run_dir


def write_table(path: Path, rows: Rows) -> None:
    """Write the columns that the contract gives a file of this name, empty where a row has nothing."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), dtype=object)
    columns = list(contract.names(_COLUMNS[path.name]))
    frame.reindex(columns=columns).to_csv(path, index=False, lineterminator="\n")


def manifest(
    roles: Mapping[str, str], load_s: float, *, limit_bytes: int | None = None, **others: object
) -> dict[str, Any]:
    """Return the manifest of a complete run of arms with these roles; ``others`` are further keys or replace some."""
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "started_wall_time": "2026-01-01T00:00:00Z",
        "status": "complete",
        "status_detail": "",
        "arms": [{"name": name, "role": role, "memory_limit_bytes": limit_bytes} for name, role in roles.items()],
        "limit_mechanism": "cgroup v2" if limit_bytes else "none",
        "hour_s": 3600.0,
        "memory_scale": 1.0,
        "incident": True,
        "planned_load_s": load_s,
        "every_s": 1.0,
        "missed_readings": {},
        "python": "3.11.7",
    } | others  # fmt: skip


def events(
    phases: Mapping[str, float],
    end_s: float,
    arms: Iterable[str],
    killed_s: Mapping[str, float] | None = None,
    killed_by: str = "kernel",
) -> list[dict[str, Any]]:
    """Return the events of a run: its phases by their starts, and a life of each arm, or two around a kill."""
    rows: list[dict[str, Any]] = [{"t_s": 0.0, "event": "run_start"}]
    rows += [{"t_s": start_s, "event": "phase", "detail": phase} for phase, start_s in phases.items()]
    for pid, name in enumerate(arms, 100):
        life = {"arm": name, "life": 1, "pid": pid}
        rows += [{"t_s": 0.1, "event": "start", **life}, {"t_s": 0.9, "event": "ready", **life}]
        if killed_s and name in killed_s:
            rows.append({"t_s": killed_s[name], "event": "exit", "by": killed_by, **life})
            life = {"arm": name, "life": 2, "pid": pid + 100}
            rows.append({"t_s": killed_s[name] + RESTART_S - 1, "event": "start", **life})
            rows.append({"t_s": killed_s[name] + RESTART_S, "event": "ready", **life})
        rows.append({"t_s": end_s - 0.5, "event": "exit", "by": "soak", **life})
    rows.append({"t_s": end_s, "event": "run_end"})
    return sorted(rows, key=lambda row: float(row["t_s"]))


def write_latency_log(
    path: Path, intervals: Iterable[tuple[float, float, Latencies]], service_share: float = 1.0
) -> None:
    """Write a histogram log of intervals (start and length in seconds, latencies).

    ``service_share`` is the service time as a share of the latency.
    """
    with path.open("w", encoding="ascii") as file:
        file.write("#[Histogram log format version 1.2]\n")
        for start_s, length_s, latencies in intervals:
            for tag, share in ((contract.LATENCY_TAG, 1.0), (contract.SERVICE_TAG, service_share)):
                file.write(f"Tag={tag},{start_s:.3f},{length_s:.3f},{_histogram(latencies, share)}\n")


@cache
def _histogram(latencies: Latencies, share: float) -> str:
    histogram = new_histogram()
    for latency_us, count in latencies:
        histogram.record_value(round(latency_us * share), count)
    return f"{histogram.get_max_value() / 1000:.3f},{histogram.encode().decode()}"
