"""The long run: ``python -m tests.fuzz``."""

from __future__ import annotations

import faulthandler
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from soak.contract.units import clock_text
from soak.errors import EXIT_HARNESS_FAILED, EXIT_USAGE
from tests.fuzz.kinds import KINDS, MakeKind
from tests.fuzz.run import MOST_WALL_S, Tried, opened, tried

PROGRESS_EVERY_S: Final = 5.0


class Progress:
    """Prints findings as they come, and a line now and then."""

    def __init__(self, plan: Sequence[tuple[MakeKind, int]]) -> None:
        self._costs = {kind.name: kind.cost_ms for kind, _ in plan}
        self._inputs = sum(count for _, count in plan)
        self._cost = sum(kind.cost_ms * count for kind, count in plan)
        self._began_s = self._printed_s = time.monotonic()
        self._done = self._cost_done = 0.0
        self.findings: Counter[str] = Counter()
        self.slowest_s: dict[str, float] = {}

    def add(self, one: Tried, seed: int) -> None:
        """Count one input."""
        self._done += 1
        self._cost_done += self._costs[one.kind]
        self.slowest_s[one.kind] = max(one.took_s, self.slowest_s.get(one.kind, 0.0))
        if one.complaint:
            self.findings[one.kind] += 1
            again = f"make fuzz SEED={seed} KIND={one.kind} NUMBER={one.number}"
            print(f"finding: {one.complaint.strip()}\n         again: {again}", flush=True)
        now_s = time.monotonic()
        if now_s - self._printed_s >= PROGRESS_EVERY_S:
            self._printed_s = now_s
            left_s = (now_s - self._began_s) * (self._cost / self._cost_done - 1)
            print(
                f"{self._done:,.0f} of {self._inputs:,} inputs, at {one.kind}; findings: {self.findings.total()}; "
                f"{clock_text(left_s)} left",
                flush=True,
            )
            faulthandler.dump_traceback_later(3 * MOST_WALL_S, exit=True)  # a hang that no alarm interrupts


def main(
    seed: Annotated[str, typer.Option(help="Seed of all inputs (default: a new one).")] = "",
    scale: Annotated[float, typer.Option(min=0, help="Number of inputs, times that of the whole run.")] = 1.0,
    kind: Annotated[str, typer.Option(help="One kind only.")] = "",
    number: Annotated[str, typer.Option(help="One input only, by its number.")] = "",
) -> None:
    """Give mutated inputs to the entry points of soakproof; exits with 1 where one is not answered as it must be."""
    names = [one.name for one in KINDS]
    if kind and kind not in names:
        print(f"no kind {kind}; there are {', '.join(names)}", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    chosen = int(seed) if seed else secrets.randbelow(10**6)
    plan = [(one, max(1, round(one.inputs * scale))) for one in KINDS if kind in ("", one.name)]
    print(f"seed {chosen}", flush=True)
    progress = Progress(plan)
    for one, count in plan:
        numbers = range(int(number), int(number) + 1) if number else range(count)
        with opened(one) as made:
            for result in tried(made, chosen, numbers):
                progress.add(result, chosen)
    for one, count in plan:
        slowest_s = progress.slowest_s[one.name]
        print(
            f"{one.name:10} {count:6,} inputs, {progress.findings[one.name]:4} findings, slowest {slowest_s:.2f} s"
        )
    if progress.findings:
        raise typer.Exit(EXIT_HARNESS_FAILED)


if __name__ == "__main__":
    typer.run(main)
