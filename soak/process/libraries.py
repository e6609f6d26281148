"""Libraries of a process that bring an allocator of their own: what they hold is in no figure of malloc."""

from __future__ import annotations

import re
from typing import Final

from soak.process.procfs import PROC

KNOWN: Final = (
    "jemalloc", "mimalloc", "snmalloc", "tbbmalloc", "tcmalloc",
    "arrow", "datafusion", "deltalake", "duckdb", "lance", "polars",
    "cuda", "jax", "jvm", "mkl", "onnxruntime", "tensorflow", "torch",
)  # fmt: skip
"""Begin of a shared object's name, after ``lib`` or an underscore."""
_KNOWN_NAME: Final = re.compile(f"(?:lib|_)?({'|'.join(KNOWN)})".encode())


def foreign_allocators(pid: int) -> str | None:
    """Return those of KNOWN that a process has loaded, space-separated; None when it is not ours to read.

    Costs 2 ms per 1,000 mappings.
    """
    try:
        maps = (PROC / str(pid) / "maps").read_bytes()
    except OSError:
        return None
    return loaded(maps)


def loaded(maps: bytes) -> str:
    """Return those of KNOWN that occur in the text of /proc/PID/maps, in alphabetical order, space-separated."""
    names = {line.rpartition(b"/")[2].lower() for line in maps.splitlines() if b".so" in line}
    return " ".join(sorted({known[1].decode() for name in names if (known := _KNOWN_NAME.match(name))}))
