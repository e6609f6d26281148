"""A few objects of a type, of the newest: those that leak are younger than those that the program began with."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

from .objects import of_types, prime_from, type_name, types_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SAMPLE = 15
NEWEST = 4
"""One in so many objects is among the newest: most of these are of a leak from an eighth of all objects on."""


def by_age() -> list[Any]:
    """Return all objects that the collector lists, about the oldest first; only while nothing else runs.

    In a generation they are in the order of their making, but that a collection puts behind the others what it meets
    before what refers to it. None of these lists has another: the youngest generation, where they are, comes first.
    """
    youngest, younger, things = (gc.get_objects(generation=number) for number in range(3))
    things += younger
    things += youngest
    return things


def add_samples(
    things: list[Any], found: Mapping[str, list[Any]], lengths: Mapping[str, int], own: Collection[int]
) -> None:
    """Add a few of the newest of each type to what is ``found`` of it by its name, evenly spaced. Turns ``things``.

    ``things`` are in the order of their age, ``lengths`` says how many there are by the census, ``own`` has the
    addresses of the probe's. Of a type of which the lists hold less than half, as of tuples of words, those that grow
    may be others: none.
    """
    names = {address: type_name(cls) for address, cls in types_of(things).items()}
    counts = dict.fromkeys(found, 0)
    for address, count in Counter(map(id, map(type, things))).items():
        if names[address] in counts:
            counts[names[address]] += count
    wanted = {
        address: name
        for address, name in names.items()
        if name in counts and 2 * counts[name] >= lengths[name]
    }
    strides = {name: prime_from(count // (NEWEST * SAMPLE)) for name, count in counts.items()}
    met = dict.fromkeys(found, 0)
    things.reverse()
    for thing in of_types(things, wanted):
        if id(thing) in own:
            continue
        name = wanted[id(type(thing))]
        met[name] += 1
        if len(found[name]) == SAMPLE:
            del wanted[id(type(thing))]
            if not wanted:
                break
        elif met[name] % strides[name] == strides[name] // 2:
            found[name].append(thing)
