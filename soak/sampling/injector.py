"""Has the probes in the copy of the candidate keep memory at the rates of the plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from soak.contract import LOAD, WARMUP, InjectedLeak
from soak.contract.tail import CsvTail, cell_number
from soak.sampling.probe_answers import ProbeError
from soak.sampling.target import Target


class Injector:
    """Follows the load of one arm and asks its probes for what that load leaks.

    Each request, or second of load, counts for the processes that are alive with a probe when it is noticed, an equal
    part for each, so that a new process begins at nothing.
    """

    def __init__(self, leak: InjectedLeak, requests: Path) -> None:
        self._leak = leak
        self._requests = CsvTail(requests)
        self._last_s: float | None = None
        self._share: dict[int, float] = {}
        """Requests or seconds that count for each process, by life."""
        self._asked: dict[tuple[int, str], int] = {}
        """Total of the last request that was answered, bytes, by life and kind."""
        self._held: dict[tuple[int, str], int] = {}

    @property
    def held_bytes(self) -> dict[str, int]:
        """Bytes that were injected, by kind, in all lives together."""
        held = dict.fromkeys(self._leak.rates, 0)
        for (_, kind), size_bytes in self._held.items():
            held[kind] += size_bytes
        return held

    def follow(
        self, targets: Sequence[Target], phase: str, t_s: float, timeout_s: Callable[[], float]
    ) -> None:
        """Ask the probes of ``targets`` for all that was leaked by now; ``timeout_s`` returns the time for a question.

        Raises ProbeError when none is there or one does not answer; the next request makes up for it.
        """
        units = self._new_units(phase, t_s)
        probed = [target for target in targets if target.probed]
        if targets and not probed:
            raise ProbeError("no process of the copy has a probe")
        for target in probed:
            self._share[target.life] = self._share.get(target.life, 0.0) + units / len(probed)
        for target in probed:
            for kind, rate in self._leak.rates.items():
                key, total = (target.life, kind), round(rate * self._share[target.life])
                if total == self._asked.get(key, 0):
                    continue
                self._held[key] = int(target.ask("inject", timeout_s(), kind=kind, total=total)["held"])
                self._asked[key] = total

    def _new_units(self, phase: str, t_s: float) -> float:
        """Return the requests answered well, or the seconds of load, since the last time."""
        since_s, self._last_s = self._last_s, t_s
        if self._leak.per == "request":
            rows = [row for row in self._requests.new_rows() if cell_number(row, "t_s") is not None]
            return sum(cell_number(row, "ok") or 0.0 for row in rows)
        return t_s - since_s if since_s is not None and phase in (WARMUP, LOAD) else 0.0
