"""Run directories with any number of arms, of which each keeps a planted amount of every request and none dies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from soak import contract
from tests.support import run_directory
from tests.support.run_directory import write_latency_log

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
    manifest = run_directory.manifest(
        {name: arm.role for name, arm in arms.items()},
        soak.load_s,
        profile=soak.profile,
        hour_s=soak.hour_s,
        incident=soak.incident,
    )
    events = run_directory.events(soak.phases, soak.end_s, arms)
    random = np.random.default_rng(1)
    tables = {name: (_samples(soak, planted, random), _requests(soak)) for name, planted in arms.items()}
    run_directory.write_run(run_dir, manifest, events, tables)
    for name in arms:
        load = (soak.phases[contract.LOAD], soak.load_s, ((5000, soak.rps * soak.load_s),))
        write_latency_log(run_dir / name / contract.LATENCY_LOG, [load])
    return run_dir


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
            "probe_ms": 1.0,
            "live_blocks": np.round(300_000 + planted.live_blocks * served),
            "malloc_in_use_bytes": np.round(40e6 + planted.native_bytes * served),
            "sessions_open": np.floor(1 + planted.sessions * served),
        }
    )


def _requests(soak: Soak) -> pd.DataFrame:
    t_s = np.arange(soak.phases[contract.WARMUP], soak.phases[contract.QUIESCE])
    rate = soak.rate_rps(t_s)
    counts = {"planned": rate, "sent": rate, "missed": 0, "ok": rate}
    counts |= {"opened": 0, "messages_sent": 0, "messages_received": 0}
    failures = dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    return pd.DataFrame({"t_s": t_s, "phase": soak.phase_at(t_s), **counts, **failures})
