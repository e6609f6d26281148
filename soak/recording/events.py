"""The run's events, in a file."""

from __future__ import annotations

import threading
from pathlib import Path

from soak.contract import EVENT_COLUMNS, EVENT_NAMES
from soak.contract.clock import RunClock
from soak.errors import printable
from soak.recording.csv_writer import CsvWriter


class EventLog:
    """The run's events, in a file."""

    def __init__(self, path: Path, clock: RunClock) -> None:
        self._recorder = CsvWriter(path, EVENT_COLUMNS)
        self._clock = clock
        self._lock = threading.Lock()

    def record(
        self,
        event: str,
        detail: str = "",
        *,
        arm: str = "",
        life: int | None = None,
        pid: int | None = None,
        by: str = "",
    ) -> None:
        """Append one event, one of EVENT_NAMES, as one line: control characters of ``detail`` are shown as escapes."""
        if event not in EVENT_NAMES:
            raise KeyError(f"no such event: {event}")
        with self._lock:  # threads share the file, whose times never go backwards
            self._recorder.write(
                {"t_s": self._clock.now_s(), "wall_time": self._clock.wall_time(), "event": event, "arm": arm,
                 "life": life, "pid": pid, "by": by, "detail": printable(detail).replace("\n", r"\n")}
            )  # fmt: skip

    @property
    def sha256(self) -> str | None:
        """The hash of the events, as that of a ``CsvWriter``."""
        return self._recorder.sha256

    def close(self) -> None:
        """Close the file."""
        self._recorder.close()
