"""What is found of soakproof's own processes."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from bench.self_soak import Own, name_of, table_of
from soak.process import guard, keeper
from soak.process.spec import module_argv


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ([sys.executable, "-I", "-S", str(keeper.__file__), "5"], "keeper"),
        ([sys.executable, "-I", "-S", str(guard.__file__), "5"], "guard"),
        ([*module_argv("analysis", "judge", "--follow", "runs/1")], "live judge"),
        ([sys.executable, "-m", "soak", "ui", "self.toml"], "supervisor"),
        (["sleep", "1"], "sleep 1"),
    ],
)
def test_a_process_is_named_by_its_command(command: list[str], name: str) -> None:
    assert name_of(command) == name


def test_each_process_has_a_row_with_its_growth_per_hour() -> None:
    """Where it was not judged there is no interval, nor where it never changed."""
    own = [
        Own("supervisor", "does not grow", 64.25, -1.0, 12.5),
        Own("guard", "not judged", 11.0, None, None),
        Own("keeper", "unchanged", 12.0, -7212.6, 3862.4),
    ]
    console = Console(width=90)
    with console.capture() as printed:
        console.print(table_of(own, 2048.0, 20.0))
    rows = [line.split("  ") for line in printed.get().splitlines()[2:]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["supervisor", "64.2", "-1.0 to 12.5", "does not grow"],
        ["guard", "11.0", "not judged"],
        ["keeper", "12.0", "unchanged"],
        ["page /soak, JavaScript", "+2 KiB in all", "does not grow"],
    ]
