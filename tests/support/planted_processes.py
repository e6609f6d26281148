"""Gives an arm of a planted run several processes, of which each keeps a planted amount of every request."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from soak import contract
from tests.support.planted_incident import END_S, LOAD_S, PHASES, RPS, phase_at
from tests.support.run_directory import write_table

FIRST_PID = 300
"""The process of life n has the pid FIRST_PID + n; the first life keeps the pid that its events have."""


@dataclass(frozen=True)
class PlantedProcess:
    """What one process of an arm keeps, and when it lives."""

    rss_bytes: float = 0.0
    """Of each request that the arm answers."""
    from_s: float = 1.0
    to_s: float = END_S
    start_bytes: float = 40e6
    noise_bytes: float = 20_000.0
    """Standard deviation of each reading of RSS."""


def write_processes(
    run_dir: Path, arm: str, processes: Sequence[PlantedProcess], *, end_s: float = END_S
) -> None:
    """Replace the samples of an arm of a run of ``write_incident``, and add the processes after its first as lives.

    ``end_s`` is when the recording breaks off.
    """
    random = np.random.default_rng(1)
    with (run_dir / contract.EVENTS).open("a", newline="") as file:
        rows = csv.DictWriter(file, contract.names(contract.EVENT_COLUMNS), restval="", lineterminator="\n")
        for life, one in enumerate(processes, 1):
            who = {"arm": arm, "life": life, "pid": FIRST_PID + life}
            if life > 1:
                rows.writerow({"t_s": one.from_s, "event": "start", **who})
                rows.writerow({"t_s": one.from_s, "event": "ready", **who})
            if one.to_s < END_S:
                rows.writerow({"t_s": one.to_s, "event": "exit", "by": "unknown", **who})
    samples = []
    for t_s, (life, one) in product(np.arange(1.0, min(end_s, END_S - 1)), enumerate(processes, 1)):
        if one.from_s <= t_s < one.to_s:
            loaded_s = min(max(0.0, t_s - max(LOAD_S, one.from_s)), PHASES["drain"] - LOAD_S)
            kept_bytes = one.rss_bytes * RPS * loaded_s + random.normal(0, one.noise_bytes)
            who = {
                "t_s": t_s + 0.002,
                "arm": arm,
                "pid": FIRST_PID + life,
                "life": life,
                "phase": phase_at(t_s),
            }
            samples.append(who | _memory(one.start_bytes, kept_bytes))
    write_table(run_dir / arm / contract.SAMPLES, samples)


def _memory(start_bytes: float, kept_bytes: float) -> dict[str, object]:
    """Return the readings of a process that keeps these bytes in malloc's memory."""
    return {
        "rss_bytes": round(start_bytes + kept_bytes),
        "anon_bytes": round(start_bytes - 1e6 + kept_bytes),
        "shmem_bytes": 0,
        "pymalloc_arena_bytes": 8_000_000,
        "pymalloc_free_bytes": 1_000_000,
        "pymalloc_unused_bytes": 0,
        "allocator": "glibc",
        "malloc_in_use_bytes": round(start_bytes - 11e6 + kept_bytes),
        "malloc_free_bytes": 1_000_000,
        "malloc_arena_bytes": round(start_bytes - 10e6 + kept_bytes),
        "malloc_top_bytes": 0,
        "live_blocks": 300_000,
        "probe_ms": 1.0,
    }
