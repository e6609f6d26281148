"""A process that is known by pid and start, and alive while the test says so; stands for psutil.Process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class ScriptedProcess:
    """Equal to another one of the same pid and start."""

    pid: int
    started: float
    alive: Callable[[], bool] = field(default=lambda: True, compare=False)

    def is_running(self) -> bool:
        return self.alive()

    def status(self) -> str:
        return psutil.STATUS_SLEEPING

    def create_time(self) -> float:
        return self.started
