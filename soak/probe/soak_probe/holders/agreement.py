"""What a sample of objects of a type agrees on: one container below which most of them are."""

from __future__ import annotations

from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from typing import Any

    from .roots import Root

    Way = tuple[Hashable, ...]
    """The containers on the way to an object, from a name of the program on."""

MOST_STEPS = 50
"""References of a way that are compared; to a linked list's end it has as many as the list has links."""


def way_of(root: Root, chain: Sequence[Any]) -> Way:
    """Return the way of a chain that begins with the names of ``root``, by addresses: it keeps nothing alive.

    Modules and functions are no containers, but that several tasks of one label are one place.
    """
    begin: Way = (root.label,) if root.is_alike else ()
    return (*begin, *map(id, chain[1 : MOST_STEPS + 1]))


def agreed(ways: Sequence[Way | None], of: int) -> list[int]:
    """Return the places of the ways that lead through the container that most of ``of`` objects have in common.

    First is the one that most others go along with, step by step; without such a container there is none. A way is None
    where it is not known.
    """
    counts = Counter(step for way in ways if way for step in way)
    known = [(place, way) for place, way in enumerate(ways) if way]
    if not known:
        return []
    first, best = max(known, key=lambda one: [counts[step] for step in one[1]])
    if 2 * counts[best[0]] <= of:
        return []
    return [first, *(place for place, way in known if way[0] == best[0] and place != first)]
