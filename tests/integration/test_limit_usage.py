"""What a real limit is charged with, and what its processes hold, against planted memory of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from soak.heap.cpython.chunks import ChunkReader
from soak.heap.cpython.memory import ProcessMemory
from soak.limit.base import LifeLimit, Usage
from soak.limit.choose import choose
from soak.process.guard import Guard
from soak.process.procfs import descendants, read_status

pytestmark = pytest.mark.integration

PLANTED = 50_000_000
TARGET = """
import mmap, os, sys
from pathlib import Path
Path(sys.argv[1]).write_text(str(os.getpid()))
kept, planted, file = [], int(sys.argv[2]), Path(sys.argv[3])
for line in sys.stdin:
    kind = line.strip()
    if kind == "anonymous":
        kept.append(mmap.mmap(-1, planted, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        kept[-1].write(bytes(4096) * (planted // 4096))
    elif kind == "shared mapping":
        kept.append(mmap.mmap(-1, planted))
        kept[-1].write(bytes(4096) * (planted // 4096))
    elif kind == "tmpfs":
        kept.append(os.memfd_create("planted"))
        for _ in range(planted // 4096):
            os.write(kept[-1], bytes(4096))
    elif kind == "file":
        with file.open("wb") as written:
            for _ in range(planted // 4096):
                written.write(bytes(4096))
    elif kind == "fork":
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(write)
            print("done", flush=True)
            os.read(read, 1)
            for at in range(0, planted // 4096 * 4096, 4096):
                kept[0][at] = 1
            print("done", flush=True)
            os.read(read, 1)
            os._exit(0)
        os.close(read)
        continue
    elif kind == "write after fork":
        os.write(write, b"x")
        continue
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def limit() -> Iterator[LifeLimit]:
    """A limit of 1 GiB by a cgroup; skips where none can be had."""
    guard = Guard()
    choice = choose(guard, f"test-{os.getpid()}")
    try:
        if not choice.mechanism.name.startswith("cgroup"):
            reason = f"no cgroup can be had here ({'; '.join(choice.refused)})"
            assert "SOAKPROOF_REQUIRE_CGROUP" not in os.environ, reason
            pytest.skip(reason)
        life = choice.mechanism.life("usage-test", 1 << 30)
        yield life
        life.close()
    finally:
        choice.mechanism.close()
        guard.close()


class Planter:
    """A process in the limit that takes memory as it is told."""

    def __init__(self, limit: LifeLimit, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._limit, self._pid = limit, process.pid
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout

    def plant(self, kind: str) -> dict[str, int]:
        """Return what each reading gained by it, in units of what was planted, rounded; 0 is left out."""

        def order() -> None:
            self._input.write(f"{kind}\n")
            self._input.flush()
            assert self._output.readline() == "done\n"

        return self.gained(order)

    def gained(self, action: Callable[[], None]) -> dict[str, int]:
        """Return the same of what an action of ours costs the process."""
        before = self._read()
        action()
        after = self._read()
        gained = {name: round((after[name] - before[name]) / PLANTED) for name in after}
        return {name: value for name, value in gained.items() if value}

    def pids(self) -> list[int]:
        """Return the process and those below it."""
        return [self._pid, *descendants(self._pid)]

    def _read(self) -> dict[str, int]:
        usage = self._limit.usage()
        assert usage.problem is None
        readings = [status for pid in self.pids() if (status := read_status(pid))]
        return {
            "charged": usage.charged_bytes or 0,
            "cgroup shmem": usage.shmem_bytes or 0,
            "cgroup file": usage.file_bytes or 0,
            "anon": sum(status.anon_bytes or 0 for status in readings),
            "shmem": sum(status.shmem_bytes or 0 for status in readings),
        }


@contextmanager
def planter(limit: LifeLimit, file: Path) -> Iterator[Planter]:
    argv = [sys.executable, "-S", "-c", TARGET, str(limit.procs), str(PLANTED), str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        started = Planter(limit, process)
        started.plant("nothing")  # until it is up
        yield started
        process.kill()


def test_each_kind_of_memory_is_seen_where_it_is_charged(limit: LifeLimit, tmp_path: Path) -> None:
    """Files on tmpfs are in no process and in the limit's shared memory; file cache is in neither.

    After a fork each process counts the shared pages, the limit once; writing to them moves the limit's charge only.
    """
    with planter(limit, tmp_path / "file") as one:
        assert one.plant("anonymous") == {"charged": 1, "anon": 1}
        assert one.plant("fork") == {"anon": 1}
        assert one.plant("write after fork") == {"charged": 1}
        assert one.plant("shared mapping") == {"charged": 1, "cgroup shmem": 1, "shmem": 1}
        assert one.plant("tmpfs") == {"charged": 1, "cgroup shmem": 1}
        assert one.plant("file") == {"charged": 1, "cgroup file": 1}


def test_a_census_of_a_forked_worker_copies_nothing_for_it(limit: LifeLimit, tmp_path: Path) -> None:
    """All memory of both processes is read, and the limit is charged with what it was charged before."""
    with planter(limit, tmp_path / "file") as one:
        one.plant("anonymous")
        one.plant("fork")

        def read_all() -> None:
            for pid in one.pids():
                with ProcessMemory(pid) as memory:
                    reader = ChunkReader(memory)
                    for _ in reader.chunks(mapping for mapping in memory.maps if mapping.anonymous):
                        pass
                    assert reader.read_bytes > PLANTED

        assert one.gained(read_all) == {}
        assert one.plant("write after fork") == {"charged": 1}


def test_the_parts_are_no_more_than_the_charge(limit: LifeLimit, tmp_path: Path) -> None:
    """Kernel memory, shared memory, file cache and anonymous memory are disjoint."""
    with planter(limit, tmp_path / "file") as one:
        one.plant("anonymous")
        one.plant("tmpfs")
        usage: Usage = limit.usage()
        parts = [usage.shmem_bytes, usage.file_bytes, usage.kernel_bytes or 0, PLANTED]
        assert usage.charged_bytes is not None
        assert sum(part or 0 for part in parts) < 1.1 * usage.charged_bytes
