"""A process that leaks past Python's allocators on request, captured as in the native pass of a replay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soak.contract import traces_file
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.sampling.probe_client import ProbeClient

ASK_TIMEOUT_S: Final = 30.0
VARIABLE: Final = "SOAK_PROBE_NATIVE"
TARGET: Final = """\
import ctypes, mmap, sys

zlib = ctypes.PyDLL("libz.so.1")
raw_malloc = ctypes.pythonapi.PyMem_RawMalloc
raw_malloc.restype, raw_malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
lose = ctypes.pythonapi.Py_IncRef
lose.argtypes = (ctypes.py_object,)
kept, rooms = [], {}


def leak_malloc(n):
    zlib.inflateInit_(bytes(112), b"1", 112)


def leak_mapping(n):
    kept.append(mmap.mmap(-1, 8192))


def lost_reference(n):
    lose("%040d" % n)


def large_blocks(n):
    if n in (150, 350, 750):
        raw_malloc(n * 1000)


def healthy(n):
    rooms[n % 50] = b"x" * (100 + n % 7), bytearray(2000)


n = 0
print(flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        n += 1
        for leak in (leak_malloc, leak_mapping, lost_reference, large_blocks, healthy):
            leak(n)
    print(n, flush=True)
"""


def line_of(function: str) -> int:
    """Return the number of the first line of a function's body in TARGET."""
    lines = TARGET.splitlines()
    return lines.index(f"def {function}(n):") + 2


@dataclass
class Target:
    """The living process: ``raw`` has its captures, ``app`` is its source file."""

    process: subprocess.Popen[str]
    probe: ProbeClient
    raw: Path
    app: Path
    points: int = 0

    def call(self, times: int) -> int:
        """Have it leak so often; return how often it has in all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(times, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def point(self) -> dict[str, Any]:
        """Take a point; raises ProbeError where there is none."""
        answer = self.probe.ask(
            "trace_point", ASK_TIMEOUT_S, file=str(traces_file(self.raw, self.points, 0)), most=1000
        )
        self.points += 1
        return answer

    def finish(self) -> str:
        """Let the process end by itself; return what it wrote on standard error."""
        return self.process.communicate(timeout=ASK_TIMEOUT_S)[1]

    def end(self) -> None:
        """End the capture."""
        self.probe.ask("trace_end", ASK_TIMEOUT_S)


@contextmanager
def captured(
    directory: Path,
    *,
    most_bytes: int = 1 << 28,
    memray: Sequence[str] = (),
    python: str = sys.executable,
    prelude: str = "",
    captures: int = 0,
    variables: dict[str, str] | None = None,
) -> Iterator[Target]:
    """Start the process in a new directory, with a capture from its start.

    ``memray`` are directories where that may be, ``prelude`` is a line of code before its own, ``captures``
    are those of other processes.
    """
    app, raw = directory / "app.py", directory / "raw"
    raw.mkdir(mode=0o700)
    for number in range(captures):
        (raw / f"capture-{number}.bin").touch()
    app.write_text(TARGET.replace("import ctypes", f"{prelude}\nimport ctypes", 1) if prelude else TARGET)
    wanted = {"directory": str(raw), "most_bytes": most_bytes, "memray": list(memray)}
    env = {
        "PYTHONPATH": str(PROBE_PATH),
        PROBE_DIRECTORY_VARIABLE: str(raw),
        VARIABLE: json.dumps(wanted),
        **(variables or {}),
    }
    with subprocess.Popen(
        [python, str(app)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        probe = ProbeClient(raw, process.pid)
        try:
            yield Target(process, probe, raw, app)
        finally:
            probe.close()
            if process.poll() is None:
                process.communicate(timeout=ASK_TIMEOUT_S)
