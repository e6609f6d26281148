"""Tables on a terminal."""

from __future__ import annotations

import pytest

from analysis.report.tables import Table
from analysis.report.terminal.tables import broken_path, render, terminal_table


@pytest.mark.parametrize(
    ("path", "width", "lines"),
    [
        ("gateway.app.app.state.cache", 40, ["gateway.app.app.state.cache"]),
        ("gateway.app.state.process_async().cache", 24, ["gateway.app.state", ".process_async().cache"]),
        ("shop.workers[17].process_async.kept", 16, ["shop.workers[17]", ".process_async", ".kept"]),
        ("frame of shop.main, local kept", 16, ["frame of shop", ".main, local", "kept"]),
        ("a_name_without_any_dot", 10, ["a_name_without_any_dot"]),
    ],
)
def test_a_path_is_broken_before_dots_and_never_within_a_name(
    path: str, width: int, lines: list[str]
) -> None:
    """A name that is longer than a line is left to the table."""
    assert broken_path(path, width).split("\n") == lines


def test_the_column_of_paths_gets_what_the_others_leave() -> None:
    """It is as wide as possible, and the table no wider than the terminal."""
    path = "shop.orders.service.OrderService.instances.handlers.process_async.pending.by_identity.kept"
    table = Table(
        "Leak suspects", ("retained by", "kind", "items"), ((path, "unbounded cache or list", "1.00"),)
    )
    lines = render([terminal_table(table, {"kind": 12}, "retained by")]).splitlines()
    assert [line.split("  ")[0].rstrip() for line in lines[2:4]] == [
        "shop.orders.service.OrderService.instances.handlers.process_async.pending",
        ".by_identity.kept",
    ]
    assert max(map(len, lines)) <= 100
