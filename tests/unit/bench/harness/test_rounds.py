from __future__ import annotations

from bench.harness.rounds import in_turn


def test_each_is_as_often_first_as_last() -> None:
    """Rounds go forwards and backwards in turn."""
    assert [list(in_turn("abc", number)) for number in range(3)] == [
        ["a", "b", "c"],
        ["c", "b", "a"],
        ["a", "b", "c"],
    ]
