"""What is suspected and recorded from census to census."""

from __future__ import annotations

from soak.heap.growth import LARGEST_TYPES, RECORDED_CONTAINERS, RECORDED_TYPES, HeapHistory
from soak.heap.model import HeapSuspect
from tests.support.censuses import census


def test_a_container_is_suspected_when_it_grew_in_three_censuses_and_cleared_when_it_stops() -> None:
    """A list that grows for ever beside one that is full: only the first stays suspected."""
    heap = HeapHistory()
    lengths = [{1: 200, 2: 300}, {1: 210, 2: 400}, {1: 220, 2: 500}, {1: 230, 2: 500}]
    suspected = []
    for number, now in enumerate(lengths):
        heap.add(census(lengths=now, at_s=number), settled=False)
        suspected.append([one.address for one in heap.suspects()])
    assert suspected == [[], [], [2, 1], [1]]
    assert heap.suspects() == (HeapSuspect(1, "builtins.list", 230),)


def test_a_census_after_the_load_clears_nothing() -> None:
    """On the ladder nothing grows any more; what was suspected under load is still to be named."""
    heap = HeapHistory()
    for number in range(3):
        heap.add(census({"shop.Order": (10, 100 + number)}, {1: 200 + number}, at_s=number), settled=False)
    before = heap.suspects()
    heap.add(census({"shop.Order": (10, 102)}, {1: 202}, at_s=3), settled=True)
    assert (
        heap.suspects() == before == (HeapSuspect(1, "builtins.list", 202), HeapSuspect(0, "shop.Order", 10))
    )


def test_a_container_that_stopped_growing_is_recorded_on_and_one_that_never_grew_is_not() -> None:
    """The report must see the plateau; what never changed says nothing."""
    heap = HeapHistory()
    for number, length in enumerate((200, 300, 300)):
        heap.add(census(lengths={1: length, 2: 900}, at_s=number), settled=False)
    assert [(one.address, one.length) for one in heap.containers()] == [(1, 300)]


def test_a_freed_container_is_forgotten() -> None:
    """Another one at its address starts over."""
    heap = HeapHistory()
    for number, lengths in enumerate(({1: 200}, {1: 300}, {}, {1: 310})):
        heap.add(census(lengths=lengths, at_s=number), settled=False)
    assert heap.containers() == []


def test_a_small_type_that_grows_is_recorded_beside_the_large_ones() -> None:
    """It would not be among the largest."""
    large = {f"lib.T{number}": (9, 10**6) for number in range(LARGEST_TYPES + 20)}
    heap = HeapHistory()
    heap.add(census({**large, "shop.Small": (1, 10), "shop.Still": (1, 10)}, at_s=0), settled=False)
    heap.add(census({**large, "shop.Small": (5, 50), "shop.Still": (1, 10)}, at_s=1), settled=False)
    assert [one.name for one in heap.types()][LARGEST_TYPES:] == ["shop.Small"]


def test_what_is_recorded_and_kept_has_a_bound() -> None:
    """However many types and containers grow, one after another."""
    heap = HeapHistory()
    for number in range(1, 12):
        types = {f"t{number}.T{one}": (9, 1000 * number) for one in range(400)}
        heap.add(census(types, dict.fromkeys(range(1, 500), 100 + number), at_s=number), settled=False)
        assert len(heap.types()) <= RECORDED_TYPES + LARGEST_TYPES
        assert len(heap.containers()) <= RECORDED_CONTAINERS
    assert len(heap.suspects()) <= 17
