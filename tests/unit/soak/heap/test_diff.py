"""What changed between censuses."""

from __future__ import annotations

import random

import pytest

from soak.heap.diff import TypeChange, difference
from soak.heap.errors import HeapError
from soak.heap.growth import SHOWN_AFTER, ContainerFollower
from tests.support.censuses import census


def test_growth_is_ranked_by_bytes() -> None:
    """New, grown, shrunk and vanished types, each with what it gained or lost."""
    found = difference(
        census({"a": (10, 1000), "b": (5, 500), "gone": (1, 64)}),
        census({"a": (12, 1100), "b": (4, 400), "new": (2, 300)}, at_s=110.0),
    )
    assert found.seconds == 10.0
    assert found.types == (
        TypeChange("new", 2, 300, 2, 300),
        TypeChange("a", 12, 1100, 2, 100),
        TypeChange("gone", 0, 0, -1, -64),
        TypeChange("b", 4, 400, -1, -100),
    )


def test_two_processes_have_no_rate() -> None:
    """Their censuses may be compared, but no time lies between them."""
    assert difference(census(), census(pid=43)).seconds is None


def test_what_cannot_be_compared_is_refused_by_name() -> None:
    """Another Python, or the wrong order."""
    with pytest.raises(HeapError, match=r"Python 3\.11 and 3\.12"):
        difference(census(python="3.11"), census())
    with pytest.raises(HeapError, match="swap them"):
        difference(census(at_s=5.0), census(at_s=4.0))


def test_a_container_that_grows_each_time_is_a_suspect() -> None:
    """It must have grown twice; the fastest comes first."""
    follower = ContainerFollower()
    assert follower.add(census(lengths={1: 2000, 2: 2000}, at_s=0.0)) == ()
    assert follower.add(census(lengths={1: 2010, 2: 2500}, at_s=10.0)) == ()
    growing = follower.add(census(lengths={1: 2020, 2: 3000}, at_s=20.0))
    assert [(growth.container.address, growth.more, growth.seconds) for growth in growing] == [
        (2, 1000, 20.0),
        (1, 20, 20.0),
    ]


def test_a_container_that_stops_growing_is_cleared() -> None:
    """A bounded history that is full, a queue that drains, another object at the same address: all start over."""
    follower = ContainerFollower()
    for number, length in enumerate((2000, 2100, 2200, 2200, 2300)):
        growing = follower.add(census(lengths={1: length}, at_s=float(number)))
        assert bool(growing) == (number == 2)


def test_lists_of_requests_at_the_same_addresses_are_hardly_ever_shown() -> None:
    """Each has the address of one before it and a length of its own; one that grows beside them is always shown."""
    lengths, grows = random.Random(7), 1000
    follower = ContainerFollower(SHOWN_AFTER)
    shown = []
    for number in range(50):
        now = {address: lengths.randint(1_500, 6_000) for address in range(grows)}
        growing = follower.add(census(lengths={**now, grows: 2_000 + number}, at_s=float(number)))
        found = {growth.container.address for growth in growing}
        assert (grows in found) == (number >= SHOWN_AFTER)
        shown.append(len(found - {grows}))
    assert sum(shown) / len(shown) < grows / 100
    assert sum(shown) > 0  # so often it is chance
