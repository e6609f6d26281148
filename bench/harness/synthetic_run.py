"""Run directories of any length, as a run of two arms would leave them behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from soak import contract
from soak.contract.evidence import HISTOGRAM_S, spacing
from tests.support import run_directory
from tests.support.run_directory import Latencies, write_latency_log, write_table

HOUR_S: Final = 3600
IDLE_S: Final = 10
WARM_UP_S: Final = 60
DRAIN_S: Final = 10
RPS: Final = 20
CENSUS_S: Final = 30
"""Between two censuses of the heap in a short load."""
TYPES: Final = 80
CONTAINERS: Final = 60
GROWING: Final = 4
"""Of these in the arm that leaks, and of its types."""
ARMS: Final = {"leaky": "before", "fixed": "after"}
LIMIT_BYTES: Final = 8 << 30


def write_run(run_dir: Path, hours: int, times_apart: int | None = None) -> Path:
    """Write a run of ``hours`` hours of load and return its directory.

    Rows of samples, censuses and histograms are ``times_apart`` as far apart as in a short load; None: as by default.
    """
    apart = times_apart or spacing(hours * HOUR_S)
    load_s = IDLE_S + WARM_UP_S
    starts_s = {
        contract.IDLE: 0,
        contract.WARMUP: IDLE_S,
        contract.LOAD: load_s,
        contract.DRAIN: load_s + hours * HOUR_S,
    }
    end_s = starts_s[contract.DRAIN] + DRAIN_S
    manifest = run_directory.manifest(
        ARMS, hours * HOUR_S, limit_bytes=LIMIT_BYTES, profile="synthetic", hour_s=HOUR_S, every_s=apart
    )
    t_s = np.arange(end_s)
    phases = np.array(list(starts_s))[np.searchsorted(list(starts_s.values()), t_s, side="right") - 1]
    tables: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    for number, arm in enumerate(ARMS, 100):
        rows = pd.DataFrame({"t_s": t_s, "arm": arm, "phase": phases})
        rows["wall_time"] = pd.to_datetime(t_s, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")
        samples = _samples(
            rows[::apart].assign(pid=number, life=1), np.random.default_rng(number), leaks=arm == "leaky"
        )
        tables[arm] = (samples, _requests(rows[rows["t_s"] >= IDLE_S]))
    run_directory.write_run(run_dir, manifest, run_directory.events(starts_s, end_s, ARMS), tables)
    interval_s = HISTOGRAM_S * apart
    latencies = _latencies(interval_s)
    for number, arm in enumerate(ARMS, 100):
        censuses = range(load_s, end_s - DRAIN_S, CENSUS_S * apart)
        _write_censuses(run_dir / arm, censuses, number, leaks=arm == "leaky")
        starts = range(load_s, end_s - DRAIN_S, interval_s)
        intervals = ((start_s, interval_s, latencies) for start_s in starts)
        write_latency_log(run_dir / arm / contract.LATENCY_LOG, intervals)
    return run_dir


def _samples(rows: pd.DataFrame, random: np.random.Generator, *, leaks: bool) -> pd.DataFrame:
    """Add readings: the leaky arm keeps something of each request, both of them breathe."""
    loaded_s = (rows["t_s"] - IDLE_S - WARM_UP_S).clip(lower=0)
    requests = loaded_s * RPS
    kept = requests if leaks else requests.clip(upper=5000)
    rss_bytes = (80e6 + 2000 * kept + random.normal(0, 1e6, len(rows))).astype(int)
    return rows.assign(
        rss_bytes=rss_bytes,
        uss_bytes=rss_bytes.where(rows["t_s"] % 30 < rows["t_s"].diff()) - 8e6,
        pss_bytes=rss_bytes.where(rows["t_s"] % 30 < rows["t_s"].diff()) - 4e6,
        cgroup_bytes=rss_bytes + 2_000_000,
        cpu_s=loaded_s * 0.02,
        threads=4,
        fds=40,
        probe_ms=random.gamma(2, 0.3, len(rows)).round(3),
        live_blocks=400_000 + 12 * kept,
        pymalloc_arena_bytes=rss_bytes // 2,
        pymalloc_free_bytes=1_000_000,
        malloc_in_use_bytes=rss_bytes - 30_000_000,
        malloc_free_bytes=2_000_000,
        gc_gen2_collections=loaded_s // 60,
        gc_collected=requests,
        gc_uncollectable=0,
        tasks_alive=kept if leaks else 6,
        tasks_finished=kept if leaks else 0,
        sessions_alive=1,
        sessions_open=1,
        loop_lag_ms=random.gamma(2, 0.2, len(rows)).round(3),
        gauges=[f'{{"cache_entries": {one}, "history_entries": {one}}}' for one in kept],
    )


def _requests(rows: pd.DataFrame) -> pd.DataFrame:
    """Add counts and quantiles: all that was planned arrives and is answered."""
    sent = (rows["phase"] == contract.LOAD) * RPS
    times = {f"{kind}_{q}_ms": ms for kind in ("latency", "service") for q, ms in
             (("p50", 5.0), ("p90", 8.0), ("p99", 12.0), ("max", 20.0))}  # fmt: skip
    failures = dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    return rows.assign(planned=sent, sent=sent, missed=0, ok=sent, **failures, **times)


def _write_censuses(arm_dir: Path, t_s: range, pid: int, *, leaks: bool) -> None:
    """Write what each census counts: the first types and containers grow in the leaky arm, others stay."""
    at: dict[str, Any] = {"arm": arm_dir.name, "pid": pid, "life": 1, "phase": contract.LOAD, "rung": ""}
    for path, many in ((arm_dir / contract.CENSUS, TYPES), (arm_dir / contract.CONTAINERS, CONTAINERS)):
        which = np.tile(np.arange(many), len(t_s))
        rows = pd.DataFrame({"t_s": np.repeat(np.asarray(t_s), many)}).assign(**at)
        grown = (rows["t_s"] - t_s[0]) * RPS * (which < GROWING) * leaks
        kinds, addresses = (pd.Series(which).map(text.format) for text in ("shop.Type{}", "0x7f{:08x}"))
        numbers: dict[str, Any] = {
            "objects": 1000 + grown,
            "bytes": 64_000 + 64 * grown,
            "length": 200 + grown,
        }
        write_table(path, rows.assign(type=kinds, address=addresses, **numbers))


def _latencies(interval_s: int) -> Latencies:
    """Return the latencies of every interval; all alike, as reading one takes what reading another does."""
    random = np.random.default_rng(1)
    return tuple((round(us), 1) for us in random.lognormal(np.log(5000), 0.3, RPS * interval_s))
