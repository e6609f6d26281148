"""Whose limit a kill by the kernel was: a real cgroup v1 with a limit, and the limit of a life below it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.limit.base import who_ended
from soak.limit.cgroup import V1
from soak.limit.cgroup_mechanism import CgroupMechanism
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup
from soak.process.guard import Guard, remove_cgroup

pytestmark = pytest.mark.integration

AROUND = 48 << 20
FILL = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
filled = bytearray(120 << 20)
filled[::4096] = bytes(len(filled[::4096])).replace(b"\\0", b"1")
"""


@pytest.fixture
def around() -> Iterator[Path]:
    """A cgroup v1 of our own with a limit, as a pod has."""
    try:
        path = own_cgroup(PROC_CGROUP.read_text(), PROC_MOUNTINFO.read_text(), 1) / f"around-{os.getpid()}"
        path.mkdir()
    except (NotUsableError, OSError) as error:
        pytest.skip(f"no cgroup v1 can be made here: {error}")
    (path / V1.limit).write_text(str(AROUND))
    yield path
    remove_cgroup(path)


@pytest.mark.parametrize(("limit_mib", "by"), [(24, "kernel"), (512, "unknown")])
def test_a_kill_is_put_down_to_the_limit_only_where_it_was_met(around: Path, limit_mib: int, by: str) -> None:
    """The same process under the same pod: the kernel counts a kill in the life's cgroup either way."""
    guard = Guard()
    life = CgroupMechanism(around, V1, guard, name="cgroup v1", prefix="test").life("shop-1", limit_mib << 20)
    try:
        ended = subprocess.run([sys.executable, "-S", "-c", FILL, str(life.procs)], check=False)
        counters = life.counters()
        assert (ended.returncode, counters.oom_kills) == (-9, 1)
        assert who_ended(ended.returncode, counters, asked=False) == by
    finally:
        life.close()
        guard.close()
