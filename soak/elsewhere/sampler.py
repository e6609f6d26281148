"""The sampler of an arm that runs elsewhere: a row each tick, by the process's own metrics."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from soak.contract.clock import RunClock
from soak.elsewhere.exposition import MetricsError, RefusedError, Reported, read_exposition
from soak.elsewhere.lives import Lives, several
from soak.recording.csv_writer import CsvWriter, Row
from soak.recording.events import EventLog
from soak.sampling.ticks import Ticks

Fetch = Callable[[], bytes]
"""Returns the answer of the metrics; raises MetricsError."""
GAP: Final = "metrics"
"""The name of a reading that was missed."""
ANSWER_SHARE: Final = 0.02
"""Share of the time between two readings that an answer may take: it is the target's time as much as ours."""
ANSWERS: Final = 5
"""Answers whose quickest is what an answer costs: waits for a busy target come on top of it."""
AT_ONCE: Final = 8
"""Connections that are opened at once to see whether several processes answer there."""


class ElsewhereSampler(Ticks):
    """Samples an arm of which no process is on this machine."""

    def __init__(
        self,
        arm: str,
        clock: RunClock,
        events: EventLog,
        samples: CsvWriter,
        *,
        every_s: float,
        fetch: Fetch,
    ) -> None:
        super().__init__(arm, clock, events, samples, every_s=every_s)
        self.life = 1
        """Number of the process that answers, from 1."""
        self.is_away = False
        """Whether the newest reading was missed."""
        self._configured_s = every_s
        self._fetch = fetch
        self._lives: Lives | None = None
        self._refused = ""
        self._took_s: deque[float] = deque(maxlen=ANSWERS)

    def begin(self) -> None:
        """Look whether one process answers there, with what is needed.

        Raises MetricsError where nothing answers yet, and RefusedError where that will not do.
        """
        first = read_exposition(self._fetch())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = tuple(map(read_exposition, pool.map(lambda _: self._fetch(), range(AT_ONCE))))
        if (why := several((first, *answers))) is not None:
            raise RefusedError(why)
        self._lives = Lives(max(answers, key=lambda one: one.cpu_s or 0.0))

    def _get_ready(self) -> None:
        """Ask nothing: ``begin`` has."""

    def tick(self) -> tuple[Row, ...]:
        """Write a row of what the process states of itself, and return it; no answer is a counted gap."""
        began_s = self._clock.now_s()
        try:
            if self._refused:
                raise RefusedError(self._refused)
            answer = read_exposition(self._fetch())
            took_s = self._clock.now_s() - began_s
            self._follow(answer)
        except MetricsError as error:
            self.is_away = True
            self.gaps.missed(GAP, str(error))
            return ()
        self.is_away = False
        self.gaps.read(GAP)
        self._lengthen(took_s)
        row: Row = {
            **answer.cells,
            "t_s": self._next_t_s(),
            "wall_time": self._clock.wall_time(),
            "arm": self.arm,
            "life": self.life,
            "phase": self.phase,
            "metrics_ms": took_s * 1000,
            "until_next_s": self._every_s if self._every_s > self._configured_s else None,
        }
        self._samples.write(row)
        self.latest = self._arm_row.join([row])
        return (row,)

    def _follow(self, answer: Reported) -> None:
        """Notice a new life; raises RefusedError where several processes answer."""
        if self._lives is None:
            self._lives = Lives(answer)
        is_new, several_answer = self._lives.take(answer)
        if several_answer is not None:
            self._refused = several_answer
            self._events.record(
                "unsampled", "several processes answer at its url, of which all but one", arm=self.arm
            )
            raise RefusedError(several_answer)
        if is_new:
            self._events.record(
                "exit", "its start time has changed", arm=self.arm, life=self.life, by="unknown"
            )
            self.life += 1
            self._events.record("start", "it was restarted elsewhere", arm=self.arm, life=self.life)
            self._events.record("ready", "its metrics answer", arm=self.arm, life=self.life)

    def _lengthen(self, took_s: float) -> None:
        """Read less often where even the quickest of the newest answers took more than its share."""
        self._took_s.append(took_s)
        wanted = math.ceil(min(self._took_s) / ANSWER_SHARE / self._configured_s)
        every_s = wanted * self._configured_s
        if len(self._took_s) == ANSWERS and every_s > self._every_s:
            self._every_s = every_s
            self._took_s.clear()
            share = f"{ANSWER_SHARE:.0%} of the time between two readings"
            detail = f"each {every_s:g} s: an answer of its metrics takes more than {share}"
            self._events.record("sampled_less", detail, arm=self.arm)
