"""Run directories with any number of arms, of which each keeps a planted amount of every request and none dies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from hdrh.histogram import HdrHistogram

from soak import contract

Numbers = npt.NDArray[Any]

IDLE_S, WARMUP_S, DRAIN_S, QUIESCE_S = 10, 30, 10, 10


@dataclass(frozen=True)
class PlantedArm:
    """What an arm keeps of each request, and what it costs."""

    role: str = ""
    rss_bytes: float = 0.0
    live_blocks: float = 0.0
    native_bytes: float = 0.0
    sessions: float = 0.0
    cpu_ms: float = 1.0
    noise_bytes: float = 0.0
    """Standard deviation of each reading of RSS."""


@dataclass(frozen=True)
class Soak:
    """The run around the arms."""

    profile: str
    load_s: int
    rps: int
    hour_s: float
    incident: bool = False
    low_share: float = 1.0
    """Of the rate, in hours 4.2 to 4.6."""

    @property
    def phases(self) -> dict[str, int]:
        """The start of each phase, seconds."""
        starts = np.cumsum([0, IDLE_S, WARMUP_S, self.load_s, DRAIN_S])
        return {name: int(start) for name, start in zip(contract.PHASES, starts, strict=True)}

    @property
    def end_s(self) -> int:
        """The run's end, seconds."""
        return self.phases[contract.QUIESCE] + QUIESCE_S

    def rate_rps(self, t_s: Numbers) -> Numbers:
        """The requests planned in each second."""
        hours = (t_s - self.phases[contract.LOAD]) / self.hour_s
        rate = np.where((hours >= 4.2) & (hours < 4.6), round(self.rps * self.low_share), self.rps)
        return np.where((hours >= 0) & (hours < self.load_s / self.hour_s), rate, 0)

    def phase_at(self, t_s: Numbers) -> Numbers:
        """The phase of each second."""
        starts = list(self.phases.values())
        return np.array(contract.PHASES, dtype=object)[np.searchsorted(starts, t_s, side="right") - 1]


def write_soak(run_dir: Path, soak: Soak, arms: Mapping[str, PlantedArm]) -> Path:
    """Write a whole run directory at 1:1 memory and return it."""
    run_dir.mkdir()
    (run_dir / contract.MANIFEST).write_text(json.dumps(_manifest(run_dir.name, soak, arms)))
    _write(run_dir / contract.EVENTS, contract.EVENT_COLUMNS, _events(soak, arms))
    random = np.random.default_rng(1)
    for name, planted in arms.items():
        (run_dir / name).mkdir()
        _write(run_dir / name / contract.SAMPLES, contract.SAMPLE_COLUMNS, _samples(soak, planted, random))
        _write(run_dir / name / contract.REQUESTS, contract.REQUEST_COLUMNS, _requests(soak))
        _write_latency(run_dir / name / contract.LATENCY_LOG, soak)
    return run_dir


def _manifest(run_id: str, soak: Soak, arms: Mapping[str, PlantedArm]) -> dict[str, Any]:
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "run_id": run_id,
        "profile": soak.profile,
        "started_wall_time": "2026-01-01T00:00:00Z",
        "status": "complete",
        "status_detail": "",
        "arms": [{"name": name, "role": arm.role, "memory_limit_bytes": None} for name, arm in arms.items()],
        "limit_mechanism": "none",
        "hour_s": soak.hour_s,
        "memory_scale": 1.0,
        "incident": soak.incident,
        "planned_load_s": soak.load_s,
        "every_s": 1.0,
        "missed_readings": {},
        "python": "3.11.7",
    }


def _events(soak: Soak, arms: Mapping[str, PlantedArm]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for pid, name in enumerate(arms, 100):
        life = {"arm": name, "life": 1, "pid": pid}
        rows += [{"t_s": 0.1, "event": "start", **life}, {"t_s": 0.9, "event": "ready", **life}]
        rows.append({"t_s": soak.end_s - 0.5, "event": "exit", "by": "soak", **life})
    rows += [{"t_s": start_s, "event": "phase", "detail": phase} for phase, start_s in soak.phases.items()]
    rows.append({"t_s": soak.end_s, "event": "run_end"})
    return pd.DataFrame(rows).sort_values("t_s", kind="stable")


def _samples(soak: Soak, planted: PlantedArm, random: np.random.Generator) -> pd.DataFrame:
    t_s = np.arange(1, soak.end_s - 1)
    served = np.cumsum(soak.rate_rps(t_s - 1))
    noise = random.normal(0, planted.noise_bytes, len(t_s))
    return pd.DataFrame(
        {
            "t_s": t_s,
            "life": 1,
            "phase": soak.phase_at(t_s),
            "rss_bytes": np.round(70e6 + planted.rss_bytes * served + noise),
            "cpu_s": np.round(2 + planted.cpu_ms / 1000 * served, 3),
            "live_blocks": np.round(300_000 + planted.live_blocks * served),
            "malloc_in_use_bytes": np.round(40e6 + planted.native_bytes * served),
            "sessions_open": np.floor(1 + planted.sessions * served),
        }
    )


def _requests(soak: Soak) -> pd.DataFrame:
    t_s = np.arange(soak.phases[contract.WARMUP], soak.phases[contract.QUIESCE])
    rate = soak.rate_rps(t_s)
    counts = {"planned": rate, "sent": rate, "missed": 0, "ok": rate}
    failures = dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    return pd.DataFrame({"t_s": t_s, "phase": soak.phase_at(t_s), **counts, **failures})


def _write_latency(path: Path, soak: Soak) -> None:
    """Write one interval that spans the load."""
    untyped: Any = HdrHistogram
    histogram = untyped(
        contract.HISTOGRAM_LOWEST_US, contract.HISTOGRAM_HIGHEST_US, contract.HISTOGRAM_DIGITS
    )
    histogram.record_value(5000, soak.rps * soak.load_s)
    interval = f"{soak.phases[contract.LOAD]}.0,{soak.load_s}.0,5.0,{histogram.encode().decode()}"
    tags = (contract.LATENCY_TAG, contract.SERVICE_TAG)
    lines = ["#[Histogram log format version 1.2]", *(f"Tag={tag},{interval}" for tag in tags), ""]
    path.write_text("\n".join(lines))


def _write(path: Path, columns: tuple[contract.Column, ...], frame: pd.DataFrame) -> None:
    frame.reindex(columns=list(contract.names(columns))).to_csv(path, index=False, lineterminator="\n")
