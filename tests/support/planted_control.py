"""Run directories of a candidate and its copy, each of which keeps a planted amount of every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from soak import contract
from tests.support import run_directory
from tests.support.run_directory import write_latency_log

PHASES = {"idle": 0.0, "warm-up": 5.0, "load": 35.0, "drain": 635.0, "quiesce": 640.0}
END_S = 645.0
LOAD_S = 600.0
RPS = 20
MARGIN = 200.0
"""Leak that would matter, bytes per request."""
FREE_IN_MALLOC = 1e6
INJECTED = {"python": 400.0, "native": 400.0}


@dataclass(frozen=True)
class Kept:
    """Bytes that an arm keeps of each request."""

    python: float = 0.0
    native: float = 0.0


@dataclass(frozen=True)
class PlantedControl:
    """The truth of a recording; by default a healthy candidate whose copy keeps what was injected."""

    candidate: Kept = Kept()
    copy: Kept = Kept(400.0, 400.0)
    injected: dict[str, float] = field(default_factory=lambda: dict(INJECTED))
    injected_bytes: dict[str, int] = field(default_factory=lambda: {"python": 5_000_000, "native": 5_000_000})
    probe: bool = True
    """Whether the copy has one."""
    sent_share: float = 1.0
    """Share of the requests planned for the copy that were sent."""
    per_s: bool = False
    """Whether margin and injected rates are per second instead; they stay the same at RPS requests per second."""


def write_control(run_dir: Path, planted: PlantedControl) -> Path:
    """Write the run directory of this truth and return it."""
    scale, per = (RPS, "s") if planted.per_s else (1, "request")
    margin = {f"max_leak_bytes_per_{per}": MARGIN * scale}
    roles = {"app": "", "app.leak": contract.CONTROL_ROLE}
    manifest = run_directory.manifest(
        roles,
        LOAD_S,
        profile="own",
        incident=False,
        judge={**margin, "candidate": "", "control": "app.leak"},
        injected_bytes={"app.leak": planted.injected_bytes},
    )
    rates = {kind: rate * scale for kind, rate in planted.injected.items()}
    manifest["arms"][1]["injected"] = {"per": per, "rates": rates}
    arms = {
        "app": (_samples(planted.candidate, 1, probe=True), _requests(1.0)),
        "app.leak": (_samples(planted.copy, 2, probe=planted.probe), _requests(planted.sent_share)),
    }
    run_directory.write_run(run_dir, manifest, run_directory.events(PHASES, END_S, roles), arms)
    for name in arms:
        load = (PHASES["load"], LOAD_S, ((5000, round(RPS * LOAD_S)),))
        write_latency_log(run_dir / name / contract.LATENCY_LOG, [load])
    return run_dir


def _samples(kept: Kept, seed: int, *, probe: bool) -> pd.DataFrame:
    t_s = np.arange(1, END_S - 1)
    random = np.random.default_rng(seed)
    served = np.clip(t_s - PHASES["warm-up"], 0, PHASES["drain"] - PHASES["warm-up"]) * RPS
    python = 20e6 + kept.python * served + random.normal(0, 20e3, len(t_s))
    native = 8e6 + kept.native * served + random.normal(0, 20e3, len(t_s))
    arenas = np.ceil(python / (1 << 20)) * (1 << 20)
    starts = list(PHASES.values())
    rows = pd.DataFrame(
        {
            "t_s": t_s,
            "life": 1,
            "phase": np.array(list(PHASES), dtype=object)[np.searchsorted(starts, t_s, side="right") - 1],
            "rss_bytes": np.round(30e6 + arenas + native + FREE_IN_MALLOC),
            "anon_bytes": np.round(5e6 + arenas + native + FREE_IN_MALLOC),
            "shmem_bytes": 0,
        }
    )
    if not probe:
        return rows
    return rows.assign(
        probe_ms=1.0,
        live_blocks=np.round(python / 64),
        pymalloc_arena_bytes=arenas,
        pymalloc_free_bytes=np.round(arenas - python),
        pymalloc_unused_bytes=0,
        malloc_in_use_bytes=np.round(native),
        malloc_free_bytes=FREE_IN_MALLOC,
        malloc_arena_bytes=np.round(native + FREE_IN_MALLOC),
        malloc_top_bytes=0,
        allocator="glibc",
    )


def _requests(sent_share: float) -> pd.DataFrame:
    t_s = np.arange(int(PHASES["warm-up"]), int(PHASES["drain"]))
    sent = round(RPS * sent_share)
    counts = {"planned": RPS, "sent": sent, "missed": RPS - sent, "ok": sent}
    counts |= {"opened": 0, "messages_sent": 0, "messages_received": 0}
    failures = dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    phase = np.where(t_s < PHASES["load"], contract.WARMUP, contract.LOAD)
    return pd.DataFrame({"t_s": t_s, "phase": phase, **counts, **failures})
