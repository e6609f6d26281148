"""What is printed while the measurements go on: a line per round, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from soak.contract.units import clock_text


class Progress:
    """Prints lines; ``about_s`` is how long all of it takes."""

    def __init__(
        self, say: Callable[[str], None], about_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._about_s = about_s
        self._clock = clock
        self._start_s = clock()

    def say(self, text: str) -> None:
        """Print a line."""
        elapsed_s = self._clock() - self._start_s
        self._say(f"[{clock_text(elapsed_s)}, {clock_text(self._about_s - elapsed_s)} left] {text}")
