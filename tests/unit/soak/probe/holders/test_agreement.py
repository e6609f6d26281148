"""What objects of a sample have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from soak_probe.holders.agreement import MOST_STEPS, agreed, way_of
from soak_probe.holders.roots import OWN, Root

if TYPE_CHECKING:
    from soak_probe.holders.agreement import Way


@pytest.mark.parametrize(
    ("ways", "places"),
    [
        ([(1, 2), (1, 3), (4, 5)], [0, 1]),
        (
            [(4, 5), (1, 2, 6), (1, 3, 7), (1, 3, 8)],
            [2, 1, 3],
        ),  # of those below 1 one that goes on with another
        ([(1, 2), (1, 3), None, None], []),  # half of them is not most
        ([(1, 2), (3, 2), (4, 2)], []),  # each has its own name for what they lead to
        ([(1,)], [0]),
        ([(), ()], []),
        ([None], []),
        ([], []),
    ],
)
def test_most_of_the_sample_decide(ways: list[Way | None], places: list[int]) -> None:
    """Where more than half of them hang on one container it is named, by the one that goes along with most."""
    assert agreed(ways, len(ways)) == places


def test_modules_are_no_containers_and_tasks_of_one_function_are() -> None:
    """Two lists of one module are two; two tasks of one function hold the same, in variables of their own."""
    kept: list[Any] = [[0], [1]]
    names: list[dict[str, Any]] = [{"kept": one} for one in kept]
    module = Root("shop", {"a": kept[0], "b": kept[1]}, True, OWN)
    assert agreed([way_of(module, [module.names, one]) for one in kept], 2) == []
    for alike, places in ((False, []), (True, [0, 1])):
        tasks = [Root("task shop.serve()", own, False, OWN, is_alike=alike) for own in names]
        ways = [way_of(root, [root.names, one]) for root, one in zip(tasks, kept, strict=True)]
        assert agreed(ways, 2) == places


def test_a_way_is_bounded() -> None:
    """Of the links of a list as many are compared as say something."""
    root = Root("shop", {}, True, OWN)
    assert len(way_of(root, [[number] for number in range(10_000)])) == MOST_STEPS
