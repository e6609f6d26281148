"""Which objects of a type are looked at."""

from __future__ import annotations

import gc
from collections.abc import Collection
from itertools import pairwise

import pytest
from soak_probe.holders.objects import prime_from
from soak_probe.holders.samples import NEWEST, SAMPLE, add_samples, by_age


class Grown:
    """One of those whose number grows."""


NAME = f"{__name__}.Grown"


def sample_of(things: list[object], own: Collection[int] = ()) -> list[object]:
    """Return the sample of the planted class."""
    found: dict[str, list[object]] = {NAME: []}
    add_samples(list(things), found, {NAME: 1}, own)
    return found[NAME]


def test_all_objects_are_listed_once_the_oldest_first() -> None:
    """Those that a collection has come to are before those that were made since; no list of ours is among them."""
    gc.collect()
    gc.disable()
    try:
        older = [Grown() for _ in range(10)]
        gc.collect()
        newer = [Grown() for _ in range(10)]
        things = by_age()
        grown = [id(thing) for thing in things if type(thing) is Grown]
        assert grown[-20:-10] == [*map(id, older)]
        assert grown[-10:] == [*map(id, newer)]
        assert len(set(map(id, things))) == len(things)
        assert not [thing for thing in things if type(thing) is list and len(thing) > 0.9 * len(things)]
    finally:
        gc.enable()


def test_the_sample_is_spread_over_the_newest() -> None:
    """It has the newest quarter, evenly, whatever lies between."""
    things: list[object] = [make() for _ in range(8_000) for make in (Grown, object)]
    places = {id(thing): number for number, thing in enumerate(things[::2])}
    numbers = [places[id(thing)] for thing in sample_of(things)]
    assert len(numbers) == SAMPLE
    assert min(numbers) >= 8_000 - 8_000 // NEWEST
    assert max(numbers) - min(numbers) > 0.8 * 8_000 // NEWEST
    assert {one - other for one, other in pairwise(numbers)} == {prime_from(8_000 // NEWEST // SAMPLE)}


@pytest.mark.parametrize("count", [400, 440, 1_000, 8_000])
@pytest.mark.parametrize("rhythm", [2, 3, 4, 6])
def test_objects_that_are_made_in_turn_are_all_met(count: int, rhythm: int) -> None:
    """A request that makes several of a type, each for another container, is seen as a whole."""
    things: list[object] = [Grown() for _ in range(count)]
    turns = {id(thing): number % rhythm for number, thing in enumerate(things)}
    assert {turns[id(thing)] for thing in sample_of(things)} == set(range(rhythm))


def test_few_are_all_taken_but_the_probe_s_own() -> None:
    """Of what the probe itself has just made nothing is asked."""
    things: list[object] = [Grown() for _ in range(10)]
    assert sample_of(things, {id(things[9])}) == things[8::-1]
