"""The lives of an arm so far, by its events: its OOM kills, whether it is down, and why it stays so."""

from __future__ import annotations

from typing import Final

from soak.contract import OOM_KILLERS
from soak.contract.tail import CsvRow, cell_number

MOST_MARKS: Final = 500
"""Number of OOM kills whose times are kept."""


class LivesSoFar:
    """Takes the events of one arm in order; the processes below its own one are lives, too, and end with it."""

    def __init__(self) -> None:
        self.oom_kills = 0
        self.killed_s: list[float] = []
        """``t_s`` of the newest of them."""
        self.is_down = False
        """Whether its own process has ended, and the next one is not ready."""
        self.not_restarted = ""
        """Why there will be no next one; empty where there may be."""
        self.over = 0
        """Lives up to this number have ended with the arm's own process: what is read of them later is not of now."""
        self._own: int | None = None
        """Number of the arm's own process; None while there is none."""
        self._newest = 0
        self._fell = False
        """Whether an OOM kill has ended its own process: the same kill is the end of all below."""

    def take(self, t_s: float, row: CsvRow) -> None:
        """Take one event."""
        event, life = row.get("event"), int(cell_number(row, "life") or 0)
        killed = event == "exit" and row.get("by") in OOM_KILLERS
        if killed and not self._fell:
            self.oom_kills += 1
            self.killed_s = [*self.killed_s, t_s][-MOST_MARKS:]
        if event == "not_restarted":
            self.not_restarted = row.get("detail", "")
        elif event == "start":
            if self._own is None:
                self._own, self._fell = life, False
            self._newest = max(self._newest, life)
        elif life == self._own and event == "ready":
            self.is_down, self.not_restarted = False, ""
        elif life == self._own and event == "exit":
            self.is_down, self._own, self.over, self._fell = True, None, self._newest, killed
