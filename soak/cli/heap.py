"""``soak heap``: a census of a process, repeated censuses, or the difference of two saved ones."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from soak.cli.heap_tables import census_table, cost_line, difference_table, growth_table, headline, types_csv
from soak.errors import UsageError
from soak.heap.census import CONTAINERS_OVER, take_census
from soak.heap.diff import difference
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.growth import SHOWN_AFTER, ContainerFollower
from soak.heap.model import Census, load_census
from soak.regular_files import real_path, replace_file

GROWING_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command."""

    pid: int | None
    every_s: float | None
    times: int | None
    growing: bool
    diff: tuple[Path, Path] | None
    save: Path | None
    form: str
    """table, json or csv."""
    top: int


def run_heap(
    request: Request,
    console: Console,
    write: Callable[[str], None],
    *,
    take: Callable[..., Census] = take_census,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run the command; tables go to the console, JSON and CSV to ``write``. Raises HeapError, UsageError."""
    _refuse_what_would_be_ignored(request)
    if request.diff is not None:
        _diff(request.diff, console, request.top)
        return
    if request.pid is None:
        raise UsageError("soak heap needs the PID of a Python process, or --diff A B.")
    pid = request.pid
    with contextlib.suppress(OSError):
        os.nice(19)  # the target has priority on a shared core
    every_s = request.every_s or (GROWING_EVERY_S if request.growing else None)

    def censuses() -> Iterator[Census]:
        taken = 0
        while True:
            began_s = time.monotonic()
            try:
                census = take(pid, containers_over=CONTAINERS_OVER)
            except ProcessGoneError as gone:
                if not taken:
                    raise
                console.print(str(gone), highlight=False, markup=False)
                return
            taken += 1
            _save(request.save, census)
            yield census
            if every_s is None or taken == request.times:
                return
            sleep(max(0.0, every_s - (time.monotonic() - began_s)))

    # Ctrl-C ends --watch; an interrupted census is dropped
    with contextlib.nullcontext() if every_s is None else contextlib.suppress(KeyboardInterrupt):
        if request.form != "table":
            for census in censuses():
                write(f"{census.to_json()}\n" if request.form == "json" else types_csv(census))
        else:
            _show(request, censuses(), console, live=every_s is not None and console.is_terminal)


def _refuse_what_would_be_ignored(request: Request) -> None:
    given = {
        "PID": request.pid, "--watch": request.every_s, "--times": request.times, "--growing": request.growing,
        "--save": request.save, f"--{request.form}": request.form != "table",
    }  # fmt: skip
    if request.diff is not None and (wrong := [name for name, value in given.items() if value]):
        raise UsageError(f"--diff compares two saved censuses: remove {', '.join(wrong)}.")
    if request.growing and request.form != "table":
        raise UsageError(
            f"--growing prints a table only; use --{request.form} with --watch for its censuses."
        )
    if request.times and not (request.every_s or request.growing):
        raise UsageError("--times limits --watch or --growing: give one of them.")


def _show(request: Request, censuses: Iterator[Census], console: Console, *, live: bool) -> None:
    follower = ContainerFollower(SHOWN_AFTER)
    first: Census | None = None
    with Live(console=console, auto_refresh=False) if live else contextlib.nullcontext() as screen:
        for census in censuses:
            first = first or census
            growing = follower.add(census)
            picture: RenderableType
            if request.growing:
                picture = growth_table(census, growing, request.top)
            elif census is first:
                picture = census_table(census, request.top)
            else:
                since = difference(first, census)
                title = f"{headline(census)}; changes in {since.seconds or 0:.0f} s\n{cost_line(census)}"
                picture = difference_table(title, since, request.top)
            if isinstance(screen, Live):
                screen.update(picture, refresh=True)
            else:
                console.print(picture)


def _diff(paths: tuple[Path, Path], console: Console, top: int) -> None:
    earlier, later = (load_census(path) for path in paths)
    found = difference(earlier, later)
    apart = "of another process" if found.seconds is None else f"{found.seconds:,.0f} s later"
    console.print(difference_table(f"{headline(earlier)}\n{headline(later)}, {apart}", found, top))


def _save(path: Path | None, census: Census) -> None:
    if path is None:
        return
    text = f"{census.to_json()}\n"
    try:
        if path.exists() and not path.is_file():  # a pipe, or /dev/stdout
            path.write_text(text)
        else:  # the census before stays until this one is whole
            replace_file(real_path(path), text.encode())
    except OSError as error:
        raise HeapError(f"the census cannot be saved to {path}: {error.strerror or error}.") from None
