"""The check of a census: a sibling of the target, the same Python with a known number of objects, counted first.

The sibling is a child of ours, so it can always be read; it runs the target's executable, so it has its layout.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soak.heap.errors import HeapError
from soak.heap.model import Container, TypeCount

START_TIMEOUT_S = 10.0
_OBJECTS = 5_000
_LENGTHS = {"list": 4001, "dict": 4002, "set": 4003, "deque": 4004, "OrderedDict": 4005}
LENGTHS_OVER = 4000
_MARK = "soak_canary"
_READY_LINE = f"{_MARK}\n".encode()
_PROGRAM = f"""
import sys
from collections import OrderedDict, deque
Canary = type("Canary", (), {{"__module__": "{_MARK}"}})
keep = [Canary() for _ in range({_OBJECTS})]
freed = [Canary() for _ in range({_OBJECTS})]
del freed
long = (list(range({_LENGTHS["list"]})), dict.fromkeys(range({_LENGTHS["dict"]})), set(range({_LENGTHS["set"]})),
        deque(range({_LENGTHS["deque"]})), OrderedDict.fromkeys(range({_LENGTHS["OrderedDict"]})))
print("{_MARK}", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A running sibling."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ready(self) -> bool:
        """Wait until its objects are made; False when it ended, took too long or is no Python."""
        output = self.process.stdout
        if output is None:
            return False
        printed, by_s = b"", time.monotonic() + START_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while _READY_LINE.startswith(printed) and selector.select(max(0.0, by_s - time.monotonic())):
                more = os.read(output.fileno(), len(_READY_LINE))
                printed += more
                if printed == _READY_LINE or not more:
                    break
        return printed == _READY_LINE

    def close(self) -> None:
        """End it; what it has started itself, if it is no Python after all, is not waited for."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def start_sibling(pid: int) -> Sibling | None:
    """Start the executable of a process once more, as its own user; None when it is not called python, or cannot be."""
    executable = Path(f"/proc/{pid}/exe")
    try:
        owner = Path(f"/proc/{pid}").stat()
        path = os.readlink(executable)  # noqa: PTH115 - it may end in " (deleted)", which is no path
        if not Path(path).name.startswith("python"):  # a server that embeds Python would start to serve
            return None
        if not os.path.samefile(executable, path):  # another mount namespace, or it was replaced  # noqa: PTH121
            return None
        drop = os.geteuid() == 0 and owner.st_uid != 0  # never run another user's program as root
        return Sibling(
            subprocess.Popen(
                [path, "-I", "-S", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(pid),
                cwd="/",
                start_new_session=True,
                user=owner.st_uid if drop else None,
                group=owner.st_gid if drop else None,
                extra_groups=[] if drop else None,
            )
        )
    except OSError:
        return None


def _environment(pid: int) -> dict[str, str]:
    """Return where the target found its libraries; nothing else of its environment."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    named = (variable.partition(b"=") for variable in variables)
    found = next((value for name, _, value in named if name == b"LD_LIBRARY_PATH"), None)
    return {} if found is None else {"LD_LIBRARY_PATH": os.fsdecode(found)}


def check_census(types: Sequence[TypeCount], containers: Sequence[Container]) -> None:
    """Raise HeapError when the sibling's census is not what it holds: objects to 0.1%, lengths exactly."""
    objects = next((entry.objects for entry in types if entry.name == f"{_MARK}.Canary"), 0)
    if abs(objects - _OBJECTS) > max(2, _OBJECTS // 1000):
        raise HeapError(
            f"the census failed its check: of {_OBJECTS:,} objects of a process made for it {objects:,} were counted, "
            "so the layout of this Python is not that of its version; it cannot be read."
        )
    for name, length in _LENGTHS.items():
        if not any(entry.type.endswith(f".{name}") and entry.length == length for entry in containers):
            raise HeapError(
                f"the census failed its check: a {name} of length {length:,} was not found in a process made for it, "
                "so the layout of this Python is not that of its version; it cannot be read."
            )
