"""What is seen while a run goes on: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from soak.contract import FAILURE_KINDS, REQUEST_COLUMNS, ArmLive, names
from soak.process import LogFollower

PLAIN_EVERY_S = 10.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ArmNow:
    """One arm at this moment; None for what is not known."""

    name: str
    life: int
    oom_kills: int | None
    up: bool
    sample: Mapping[str, object]
    requests: Mapping[str, int]
    live: ArmLive | None = None
    """The verdict so far."""


ATTACHED: Final = "attached"
"""Stands in the place of a phase where the load is not ours."""


@dataclass(frozen=True, slots=True)
class Now:
    """The run at this moment."""

    phase: str
    elapsed_s: float
    left_s: float | None
    """None when whoever stops the load decides."""
    limit_bytes: int | None
    arms: Sequence[ArmNow]


class RequestTail:
    """Follows an arm's requests.csv as Locust writes it; keeps the newest whole row."""

    def __init__(self, path: Path) -> None:
        self._follower = LogFollower(path)
        self._names = names(REQUEST_COLUMNS)

    def latest(self, previous: Mapping[str, int]) -> Mapping[str, int]:
        """Return planned, ok and failed of the newest second, or ``previous`` when there is no newer one."""
        rows = list(csv.reader(self._follower.new_lines()[-1:]))
        if not rows or rows[0][0] == self._names[0]:
            return previous
        row = dict(zip(self._names, rows[0], strict=False))
        failed = sum(int(row.get(f"failed_{kind}") or 0) for kind in FAILURE_KINDS)
        return {"planned": int(row["planned"]), "ok": int(row["ok"]), "failed": failed + int(row["missed"])}


class Progress:
    """Shows ``Now``, on the console and to ``others``; a context manager."""

    def __init__(self, console: Console, others: Callable[[Now], None] = lambda _now: None) -> None:
        self._console = console
        self._others = others
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._next_plain_s = 0.0

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays; where nobody reads any more, the run goes on."""
        with contextlib.suppress(OSError, SystemExit):  # rich ends the process when a pipe is closed
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, now: Now) -> None:
        """Refresh the table, or print a line when the last one is old enough."""
        self._others(now)
        if self._live:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._live.update(Group(Text(_headline(now)), _table(now)), refresh=True)
        elif now.elapsed_s >= self._next_plain_s:
            self._next_plain_s = now.elapsed_s + PLAIN_EVERY_S
            self.say(plain_line(now))


def plain_line(now: Now) -> str:
    """Return the run at this moment in one line."""
    arms = (
        f"{arm.name} {', '.join(f'{name} {value}' for name, value in _cells(arm, now.limit_bytes))}"
        for arm in now.arms
    )
    return f"{_headline(now)}: {'; '.join(arms)}"


def _headline(now: Now) -> str:
    left = "" if now.left_s is None else f", {clock_text(now.left_s)} left"
    return f"[{clock_text(now.elapsed_s)}{left}] {now.phase}"


def _cells(arm: ArmNow, limit_bytes: int | None) -> list[tuple[str, str]]:
    cells = [("life", str(arm.life) if arm.up else "down")]
    rss = arm.sample.get("rss_bytes")
    if arm.up and isinstance(rss, int):
        of_limit = f" of {limit_bytes / _MIB:.0f}" if limit_bytes else ""
        cells.append(("MiB", f"{rss / _MIB:.0f}{of_limit}"))
        for name, column in (("tasks", "tasks_alive"), ("sessions", "sessions_open")):
            if (value := arm.sample.get(column)) is not None:
                cells.append((name, f"{value}"))
    if arm.requests:
        cells += [("ok/s", str(arm.requests["ok"])), ("failed/s", str(arm.requests["failed"]))]
    if arm.oom_kills is not None:
        cells.append(("OOM kills", str(arm.oom_kills)))
    if arm.live is not None:
        cells.append(("so far", arm.live.verdict.replace("_", " ")))
        if rate := _rate(arm.live):
            cells.append(("rate", rate))
        if arm.live.suspect:
            cells.append(("grows", arm.live.suspect))
    return cells


def _rate(live: ArmLive) -> str:
    """Return the leak rate per request, or per second where requests are not known."""
    if live.rate_per_request is not None:
        return f"{live.rate_per_request:,.0f} B/request"
    return "" if live.rate_per_s is None else f"{live.rate_per_s:,.0f} B/s"


def _table(now: Now) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = ("life", "MiB", "tasks", "sessions", "ok/s", "failed/s", "OOM kills", "so far", "rate", "grows")
    table.add_column("arm")
    for name in columns:
        table.add_column(name, justify="right")
    for arm in now.arms:
        cells = dict(_cells(arm, now.limit_bytes))
        table.add_row(arm.name, *(cells.get(name, "-") for name in columns))
    return table


def clock_text(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
