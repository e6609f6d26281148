"""What is seen while a run goes on: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from soak.contract import ArmLive, verdict_name
from soak.contract.units import clock_text
from soak.errors import printable
from soak.status.model import ArmStatus, RunStatus

PLAIN_EVERY_S = 10.0
_MIB = 1 << 20
_PLAIN = {"life": "{}", "verdict": "verdict: {}", "rate": "{}", "suspect": "suspect: {}"}
"""How a cell is written in a plain line, by column; others are the name and the value."""


class Progress:
    """Shows ``RunStatus``, on the console and to ``others``; a context manager.

    ``others`` get None once the processes of the run have ended: what they saw last is not so any more.
    """

    def __init__(
        self, console: Console, others: Callable[[RunStatus | None], None] = lambda _now: None
    ) -> None:
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
        self.end()
        if self._live:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._live.stop()

    def end(self) -> None:
        """The processes of the run have ended; lines and texts may still come. Idempotent."""
        self._others(None)

    def print_line(self, text: str) -> None:
        """Print a line that stays; where nobody reads any more, the run goes on."""
        with contextlib.suppress(OSError, SystemExit):  # rich ends the process when a pipe is closed
            self._console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def show_text(self, text: str, elapsed_s: float) -> None:
        """Show a line in the place of the table, or print it when the last one is old enough."""
        if self._live:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._live.update(Text(text), refresh=True)
        elif elapsed_s >= self._next_plain_s:
            self._next_plain_s = elapsed_s + PLAIN_EVERY_S
            self.print_line(text)

    def show(self, now: RunStatus) -> None:
        """Refresh the table, or print a line when the last one is old enough."""
        self._others(now)
        if self._live:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._live.update(Group(Text(_headline(now)), _table(now)), refresh=True)
        elif now.elapsed_s >= self._next_plain_s:
            self._next_plain_s = now.elapsed_s + PLAIN_EVERY_S
            self.print_line(plain_line(now))


def plain_line(now: RunStatus) -> str:
    """Return the run at this moment in one line."""
    return f"{_headline(now)}: {'; '.join(_plain_arm(arm) for arm in now.arms)}"


def _plain_arm(arm: ArmStatus) -> str:
    cells = (_PLAIN.get(name, f"{name} {{}}").format(value) for name, value in _cells(arm))
    return f"{arm.name} {', '.join(cells)}"


def _headline(now: RunStatus) -> str:
    left = "" if now.left_s is None else f", {clock_text(now.left_s)} left"
    return f"[{clock_text(now.elapsed_s)}{left}] {now.phase}"


def _cells(arm: ArmStatus) -> list[tuple[str, str]]:
    cells = [("life", f"#{arm.life}" if arm.up else "starting" if arm.starting else "down")]
    rss = arm.sample.get("rss_bytes")
    if arm.up and isinstance(rss, int):
        of_limit = f" of {arm.limit_bytes / _MIB:.0f}" if arm.limit_bytes else ""
        cells.append(("MiB", f"{rss / _MIB:.0f}{of_limit}"))
        for name, column in (("tasks", "tasks_alive"), ("sessions", "sessions_open")):
            if (value := arm.sample.get(column)) is not None:
                cells.append((name, f"{value}"))
    if arm.requests:
        cells += [(f"{name}/s", _count(arm.requests[name])) for name in ("ok", "failed")]
    if arm.oom_kills is not None:
        cells.append(("OOM kills", str(arm.oom_kills)))
    if arm.live is not None:
        cells.append(("verdict", verdict_name(arm.live.verdict).lower()))
        if rate := _rate(arm.live):
            cells.append(("rate", rate))
        if arm.live.suspect:
            cells.append(("suspect", arm.live.suspect))
    return cells


def _count(per_s: float) -> str:
    """Return requests per second with a decimal where they are few."""
    return f"{per_s:.0f}" if per_s >= 10 or per_s == int(per_s) else f"{per_s:.1f}"


def _rate(live: ArmLive) -> str:
    """Return the leak rate per request, or per second where requests are not known."""
    if live.rate_per_request is not None:
        return f"{live.rate_per_request:,.0f} B/request"
    return "" if live.rate_per_s is None else f"{live.rate_per_s:,.0f} B/s"


def _table(now: RunStatus) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = (
        "life",
        "MiB",
        "tasks",
        "sessions",
        "ok/s",
        "failed/s",
        "OOM kills",
        "verdict",
        "rate",
        "suspect",
    )
    table.add_column("arm")
    for name in columns:
        table.add_column(name, justify="right")
    for arm in now.arms:
        cells = dict(_cells(arm))
        texts = (arm.name, *(cells.get(name, "-") for name in columns))
        table.add_row(*(Text(printable(text)) for text in texts))  # what a target is named is no markup
    return table
