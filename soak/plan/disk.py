"""The room on the disk that a recording takes, known before the run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from soak.config.profile import Profile
from soak.contract.evidence import HISTOGRAM_S, spacing
from soak.contract.units import mebibytes
from soak.errors import UsageError

SAMPLE_BYTES: Final = 310
"""Bytes of a row of samples.csv; this and the sizes below were measured on runs of the demo with probe and gauges."""
REQUESTS_BYTES: Final = 165
"""Bytes of a row of requests.csv, one for each second of the load."""
HISTOGRAMS_BYTES: Final = 1800
"""Bytes that an interval adds to latency.hlog: two histograms of 900 B."""
CENSUS_BYTES: Final = 9000
"""Bytes that a census adds to census.csv and containers.csv: 90 types of 62 B and 50 containers of 62 B."""


def recording_bytes(profile: Profile, arms: int) -> int:
    """Return about how many bytes the recording of so many arms takes, of one process each.

    The output of the arms, which nothing bounds, is left out, as are report and replay.
    """
    phases, sampling = profile.phases, profile.sampling
    loaded_s = phases.warmup_s + phases.load_s + phases.drain_s
    ticks = (phases.idle_s + loaded_s + phases.quiesce_s) / sampling.every_s
    censuses = loaded_s / sampling.census_every_s if sampling.census_every_s else 0.0
    intervals = loaded_s / (HISTOGRAM_S * spacing(phases.load_s))
    of_load = REQUESTS_BYTES * loaded_s + HISTOGRAMS_BYTES * intervals + CENSUS_BYTES * censuses
    return round(arms * (SAMPLE_BYTES * ticks + of_load))


def check_disk(needed_bytes: int, runs: Path) -> None:
    """Raise UsageError where the disk of ``runs``, which may not be there yet, has less room than a recording takes."""
    there = next(place for place in (runs.absolute(), *runs.absolute().parents) if place.exists())
    free_bytes = shutil.disk_usage(there).free
    if free_bytes < needed_bytes:
        raise UsageError(
            f"{runs}: the recording takes about {megabytes(needed_bytes)}, and {megabytes(free_bytes)} are free. Free "
            "some disk space, give another directory with --runs, or raise sampling.every_s and "
            "sampling.census_every_s."
        )


def megabytes(size: int) -> str:
    """Return a size in MiB, of less than ten with a decimal."""
    return f"{mebibytes(size, 1 if size < 10 << 20 else 0)} MiB"
