"""Real leaks from the command line: ``python -m tests.leaks``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from soak.contract.units import clock_text
from soak.errors import EXIT_HARNESS_FAILED, HarnessError, UsageError
from tests.leaks.case import Case
from tests.leaks.outcome import Outcome, too_many_skipped
from tests.leaks.profile import effort
from tests.leaks.soaking import Ready, make_ready, soak_case
from tests.leaks.table import console_table, markdown
from tests.leaks.yardsticks import ALLOCATORS, RELEASES

PLACE: Final = Path(".leaks")
PROGRESS_EVERY_S: Final = 30.0
WIDTH: Final = 210
"""Of the table where there is no terminal to ask."""


class Teller:
    """Prints lines that begin with the time gone and the time left."""

    def __init__(self, console: Console, takes_s: float) -> None:
        self._console = console
        self._began_s = time.monotonic()
        self._takes_s = takes_s

    def say(self, text: str) -> None:
        """Print a line."""
        gone_s = time.monotonic() - self._began_s
        line = f"[{clock_text(gone_s)}, {clock_text(self._takes_s - gone_s)} left] {text}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def prepare(cases: Sequence[Case], place: Path, console: Console) -> tuple[list[Ready], list[Outcome]]:
    """Install what all cases need; return those that can be soaked, and those that are skipped."""
    ready, skipped = [], []
    for case in cases:
        try:
            ready.append(make_ready(case, place))
        except HarnessError as error:
            skipped.append(Outcome(case, skipped=str(error)))
            console.print(f"{case.name} is skipped: {error}", highlight=False, markup=False, soft_wrap=True)
    return ready, skipped


def soak_all(
    ready: Sequence[Ready], load_s: int, jobs: int, place: Path, console: Console, *, replay_all: bool = False
) -> list[Outcome]:
    """Soak ``jobs`` cases at a time, with a line for each that ends and one now and then."""
    teller = Teller(console, sum(effort(one.case, load_s).takes_s for one in ready) / jobs)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        left: set[Future[Outcome]] = {
            pool.submit(partial(soak_case, replay_all=replay_all), one, load_s, place) for one in ready
        }
        try:
            while left:
                done, left = wait(left, PROGRESS_EVERY_S, FIRST_COMPLETED)
                for future in done:
                    outcomes.append(future.result())
                    outcome = outcomes[-1]
                    teller.say(f"{outcome.case.name}: {'right' if outcome.right else 'wrong'}")
                if not done:
                    teller.say(f"{len(outcomes)} of {len(ready)} cases")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run were told by the terminal, too
            raise
    return outcomes


def leaks(
    cases: Annotated[list[str] | None, typer.Argument(help="Names of cases; all by default.")] = None,
    load_s: Annotated[
        int | None, typer.Option(min=10, max=180, help="Seconds of load for each case.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cases at a time; each keeps half a core busy.")] = 1,
    replay_all: Annotated[
        bool, typer.Option(help="Replay fixed releases and healthy apps as well: no line is to be found.")
    ] = False,
    allocators: Annotated[
        bool, typer.Option(help="Leaks in allocators instead of those of releases.")
    ] = False,
) -> None:
    """Soak what is known to leak beside what does not: releases and their fixes, or the memory of many allocators.

    Exits with 1 where a verdict is wrong or more than a quarter of the cases are skipped, with 2 for an unknown case.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    yardstick = ALLOCATORS if allocators else RELEASES
    try:
        chosen = yardstick.chosen(cases or [])
    except UsageError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    place = PLACE.resolve()
    ready, outcomes = prepare(chosen, place, console)
    outcomes += soak_all(ready, load_s or yardstick.load_s, jobs, place, console, replay_all=replay_all)
    outcomes.sort(key=lambda outcome: chosen.index(outcome.case))
    rows = yardstick.rows(outcomes)
    (place / yardstick.report).write_text(markdown(yardstick.head, rows, outcomes), encoding="utf-8")
    console.print(console_table(yardstick.head, rows))
    console.print(yardstick.summary(outcomes), highlight=False, markup=False)
    wrong = not all(outcome.right or outcome.skipped for outcome in outcomes)
    if wrong or too_many_skipped(outcomes) or (not cases and yardstick.decides_too_little(outcomes)):
        raise typer.Exit(EXIT_HARNESS_FAILED)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(leaks)
    app(prog_name="python -m tests.leaks")


if __name__ == "__main__":
    main()
