"""The limit of a container that ran before us: what was counted before is none of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.containers import found_limit as module
from soak.containers.found_limit import FoundLimit
from soak.limit.base import who_ended
from soak.limit.cgroup import V1, V2, Cgroup, Files

LIMIT = 64 << 20
KILLED = 128 + 9


def write(cgroup: Path, files: Files, *, kills: int, ooms: int, peak_bytes: int) -> None:
    """Write what a kernel shows of a cgroup; only version 2 counts how often its own limit had run out."""
    (cgroup / files.limit).write_text(f"{LIMIT}\n")
    (cgroup / files.peak).write_text(f"{peak_bytes}\n")
    (cgroup / files.events).write_text(f"oom_kill {kills}\n")
    if files is V2:
        (cgroup / "memory.events.local").write_text(f"oom {ooms}\noom_kill {kills}\n")


@pytest.mark.parametrize(
    ("files", "ooms", "peaks", "met_limit", "by"),
    [
        pytest.param(V2, (3, 3), (LIMIT, LIMIT), False, "unknown", id="v2, for the pod, its own met before"),
        pytest.param(V2, (3, 4), (LIMIT, LIMIT), True, "kernel", id="v2, its own again"),
        pytest.param(V2, (0, 1), (1000, LIMIT), True, "kernel", id="v2, its own for the first time"),
        pytest.param(V1, (0, 0), (LIMIT, LIMIT), None, "unknown", id="v1, not known which"),
        pytest.param(V1, (0, 0), (1000, LIMIT), True, "kernel", id="v1, its own"),
        pytest.param(V1, (0, 0), (1000, 2000), False, "unknown", id="v1, for the pod"),
    ],
)
def test_a_kill_is_of_the_limit_only_where_that_was_met_since(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Files,
    ooms: tuple[int, int],
    peaks: tuple[int, int],
    met_limit: bool | None,
    by: str,
) -> None:
    """Two kills before we attached, one after: that one is recorded, and is the limit's where it was met by then."""
    monkeypatch.setattr(module, "find_cgroup", lambda _: Cgroup(tmp_path, files))
    write(tmp_path, files, kills=2, ooms=ooms[0], peak_bytes=peaks[0])
    limit = FoundLimit(os.getpid())
    try:
        assert limit.counters().oom_kills == 0
        write(tmp_path, files, kills=3, ooms=ooms[1], peak_bytes=peaks[1])
        counters = limit.counters()
        assert (counters.oom_kills, counters.peak_bytes, counters.met_limit) == (1, peaks[1], met_limit)
        assert who_ended(KILLED, counters, asked=False) == by
    finally:
        limit.close()
