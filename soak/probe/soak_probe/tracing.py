"""The traces of a replay: every live allocation since the first request, by its traceback.

``SOAK_PROBE_TRACE`` is the number of frames. Then nothing else of the probe runs: tracing slows it down as it does the
target. It begins when asked, before the first request: the imports of a service take 14 times as long with 8 frames.
"""

from __future__ import annotations

import gc
import marshal
import os
import sys

from .standstill import collect_as_target

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARIABLE = "SOAK_PROBE_TRACE"
"""Environment variable with the number of frames of a traceback; without it nothing is traced."""


class Tracing:
    """The traces of this process, from ``begin`` on."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._mark: bytearray | None = None
        """The first object that is traced: without its trace, others were dropped as well. None before it."""

    @property
    def ops(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """What is answered, by op."""
        return {"trace_begin": self.begin, "trace_point": self.point, "trace_end": self.end}

    def begin(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Collect, and trace from here on. Idempotent. Raises ValueError where it cannot be or is not ours."""
        if self._mark is not None:
            return {}
        if "t" in getattr(sys, "abiflags", ""):
            raise ValueError("a free-threaded build of Python is not traced")
        try:
            import _tracemalloc
        except ImportError:
            raise ValueError(f"this {sys.implementation.name} has no tracemalloc") from None
        if _tracemalloc.is_tracing():
            raise ValueError("the target uses tracemalloc itself")
        gc.collect()
        _tracemalloc.start(self._frames)
        self._mark = bytearray(1)
        return {}

    def point(self, request: dict[str, Any]) -> dict[str, Any]:
        """Collect, and write all traces to the new file ``file``. The target stands still meanwhile.

        Raises ValueError where tracing is not ours, or more than ``most`` blocks live, OSError where the file cannot
        be written.
        """
        self._check()
        collect_as_target()
        blocks, most = sys.getallocatedblocks(), int(request["most"])
        if blocks > 2 * most:  # those from before are not traced
            raise ValueError(f"{blocks:,} blocks live, and at most {2 * most:,} are read")
        import _tracemalloc

        traced_bytes = _tracemalloc.get_traced_memory()[0]
        traces: Any = _tracemalloc._get_traces()  # noqa: SLF001 - take_snapshot makes objects of all of them
        descriptor = os.open(request["file"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # another user may read it; its directory is private
            marshal.dump(traces, file)
        return {"traces": len(traces), "traced_bytes": traced_bytes}

    def end(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Trace no more."""
        if self._mark is not None:
            import _tracemalloc

            _tracemalloc.stop()
        return {}

    def _check(self) -> None:
        if self._mark is None:
            raise ValueError("nothing is traced")
        import _tracemalloc

        if not _tracemalloc.is_tracing():
            raise ValueError("the target stopped tracemalloc")
        if _tracemalloc._get_object_traceback(self._mark) is None:  # noqa: SLF001 - as above
            raise ValueError("the target stopped tracemalloc and started it again, or cleared its traces")


def asked_for() -> Tracing | None:
    """Return the tracing that the environment asks for; None where it asks for none."""
    frames = os.environ.get(VARIABLE, "")
    return Tracing(int(frames)) if frames.isdigit() else None
