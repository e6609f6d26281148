"""``soak heap`` with censuses made up: the exact text, and what it refuses."""

from __future__ import annotations

import io
import json
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from soak.cli.commands import app
from soak.cli.heap import Request, run_heap
from soak.errors import UsageError
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.model import Census, CollectorStatistics
from tests.support.censuses import census

ONE = Request(
    pid=42,
    every_s=None,
    times=None,
    growing=False,
    diff=None,
    save=None,
    form="table",
    top=2,
)


@pytest.fixture(autouse=True)
def _not_nicer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)


def _run(request: Request, *censuses: Census) -> str:
    waiting: Iterator[Census] = iter(censuses)

    def take(pid: int, *, containers_over: int) -> Census:
        assert (pid, containers_over) == (42, 1000)
        taken = next(waiting, None)
        if taken is None:
            raise ProcessGoneError("pid 42 ended while it was read.")
        return taken

    text = io.StringIO()
    run_heap(
        request,
        Console(file=text, width=100),
        lambda written: print(written, end="", file=text),
        take=take,
        sleep=lambda _: None,
    )
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def test_one_census_is_a_table_with_its_cost() -> None:
    """Types by bytes, the rest counted, the longest containers, and what it cost; the process's text is no markup."""
    taken = census({"a.[red]B": (3000, 3 << 20), "c.D": (10, 1 << 20), "e.F": (1, 64)}, {0x7F00: 5000})
    assert (
        _run(ONE, taken)
        == """\
pid 42, Python 3.12: 3,011 objects, 4.0 MiB

objects   MiB  share  type
  3,000  3.00  75.0%  a.[red]B
     10  1.00  25.0%  c.D
… and 1 more types (--top)

length  address  container
 5,000   0x7f00  builtins.list

took 0.25 s, 0.20 s of CPU, read 64 MiB; checked against a sibling process"""
    )


def test_what_is_known_of_the_collector_is_a_line() -> None:
    """Its totals since 3.15, and that it frees cycles late in 3.14.0 to 3.14.4; else nothing."""
    totals = replace(census(), collector=CollectorStatistics(3, 2156, 0))
    assert _run(ONE, totals).splitlines()[-2] == (
        "collector: 3 full collections, 2,156 objects freed, 0 uncollectable"
    )
    late = replace(census(), release="3.14.2", incremental_collector=True)
    assert _run(ONE, late).splitlines()[-2] == (
        "Python 3.14.2 has an incremental collector: reference cycles are freed late"
    )


def test_a_watch_shows_rates_since_its_start() -> None:
    """The second census says what has grown, per second; the end of the process ends the watch."""
    watch = replace(ONE, every_s=5.0)
    later = census({"a": (20, 1 << 20), "b": (1, 64)}, at_s=110.0)
    assert (
        _run(watch, census({"a": (10, 1 << 19), "b": (1, 64)}), later).partition("process\n")[2]
        == """\
pid 42, Python 3.12: 21 objects, 1.0 MiB; changes in 10 s
took 0.25 s, 0.20 s of CPU, read 64 MiB; checked against a sibling process

objects   MiB  +objects   +MiB  objects/s  KiB/s  type
     20  1.00       +10  +0.50        1.0   51.2  a
pid 42 ended while it was read."""
    )


def test_growing_shows_the_containers_that_keep_growing() -> None:
    """Nothing before the sixth census, and not what grew twice, which is chance where an address is used again."""
    lengths = [{0x10: 2000 + 100 * number, 0x20: 2000 + number % 3} for number in range(6)]
    taken = [census(lengths=now, at_s=5.0 * number) for number, now in enumerate(lengths)]
    text = _run(replace(ONE, growing=True, times=6), *taken)
    assert text.count("No container longer than 1,000 has grown 5 times in a row so far.") == 5
    assert (
        "length  +items  items/s  censuses  address  container\n"
        " 2,500    +500     20.0         5     0x10  builtins.list" in text
    )
    assert "0x20" not in text


def test_json_and_csv_are_for_programs(tmp_path: Path) -> None:
    """JSON is the census as it is saved; CSV the types."""
    taken = census({"a,b": (3, 144)})
    saved = tmp_path / "census.json"
    assert json.loads(_run(replace(ONE, form="json", save=saved), taken)) == json.loads(saved.read_text())
    assert _run(replace(ONE, form="csv"), taken) == 'type,objects,size_bytes\n"a,b",3,144'


def test_a_census_is_saved_through_a_link_but_not_into_a_circle_of_them(tmp_path: Path) -> None:
    """A link of the circle would be replaced."""
    link, circle = tmp_path / "latest.json", tmp_path / "circle"
    link.symlink_to("census.json")
    circle.symlink_to("circle")
    one = census()
    _run(replace(ONE, save=link), one)
    assert link.is_symlink()
    assert (tmp_path / "census.json").is_file()
    with pytest.raises(HeapError, match=r"cannot be saved to .*circle: Too many levels"):
        _run(replace(ONE, save=circle), one)
    assert circle.is_symlink()


def test_a_census_that_cannot_be_saved_leaves_the_one_before(tmp_path: Path) -> None:
    """As on a full disk in the middle of --watch; a link to the file stays one."""
    saved, link = tmp_path / "census.json", tmp_path / "latest.json"
    link.symlink_to(saved)
    one, other = census(), replace(census(), pid=43)
    _run(replace(ONE, save=link), one)
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(HeapError, match=r"the census cannot be saved to .*latest\.json: File too large"):
            _run(replace(ONE, save=link), other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before
    _run(replace(ONE, save=link), other)
    assert json.loads(saved.read_text())["pid"] == 43
    assert link.is_symlink()


def test_two_saved_censuses_are_compared(tmp_path: Path) -> None:
    """No process is needed."""
    paths = (tmp_path / "a.json", tmp_path / "b.json")
    paths[0].write_text(census({"a": (1, 1 << 20)}).to_json())
    paths[1].write_text(census({"a": (3, 3 << 20)}, at_s=104.0).to_json())
    assert (
        _run(replace(ONE, pid=None, diff=paths))
        == """\
pid 42, Python 3.12: 1 objects, 1.0 MiB
pid 42, Python 3.12: 3 objects, 3.0 MiB, 4 s later

objects   MiB  +objects   +MiB  objects/s  KiB/s  type
      3  3.00        +2  +2.00        0.5  512.0  a"""
    )


def test_a_question_that_makes_no_sense_is_refused() -> None:
    """No process; a process and two files; a process that is gone from the start."""
    with pytest.raises(UsageError, match="needs the PID"):
        _run(replace(ONE, pid=None))
    with pytest.raises(UsageError, match="remove PID"):
        _run(replace(ONE, diff=(Path("a"), Path("b"))))
    with pytest.raises(UsageError, match="remove --watch, --growing, --save, --json"):
        _run(
            replace(
                ONE,
                pid=None,
                diff=(Path("a"), Path("b")),
                every_s=1.0,
                growing=True,
                save=Path("c"),
                form="json",
            )
        )
    with pytest.raises(UsageError, match="--growing prints a table only"):
        _run(replace(ONE, growing=True, form="csv"))
    with pytest.raises(UsageError, match="--times limits --watch or --growing"):
        _run(replace(ONE, times=3))
    with pytest.raises(ProcessGoneError):
        _run(ONE)


def test_ctrl_c_ends_a_watch_and_fails_a_single_census() -> None:
    """A script must not take a census that was cut short for one."""

    def interrupted(_: int, **__: int) -> Census:
        raise KeyboardInterrupt

    console = Console(file=io.StringIO())
    run_heap(replace(ONE, every_s=5.0), console, lambda _: None, take=interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_heap(ONE, console, lambda _: None, take=interrupted)


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "1e10"])
def test_a_pause_that_cannot_be_slept_is_refused(seconds: str) -> None:
    """From half a second to a day."""
    assert CliRunner().invoke(app, ["heap", "1", "--watch", seconds]).exit_code == 2
