from __future__ import annotations

from bench.harness.servers import Cores, divide


def test_the_server_has_a_core_for_itself_where_there_are_two() -> None:
    """The last core is the server's and the others are not; a single one is shared."""
    assert divide({0, 1, 2, 3}) == Cores(server=frozenset({3}), rest=frozenset({0, 1, 2}))
    assert divide({5}) == Cores(server=frozenset({5}), rest=frozenset({5}))
