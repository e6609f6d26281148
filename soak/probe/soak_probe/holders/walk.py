"""The forward walk: from what the program has at hand to everything it holds, the shortest way first."""

from __future__ import annotations

import time
from array import array
from typing import Any

from ..pause import clock_s
from .objects import is_a, referents, type_name
from .roots import registries, registries_of_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .objects import Kinds
    from .roots import Root

MOST_OBJECTS = 300_000
"""At about 130 bytes each while the walk lasts."""

LARGE = 1_000
"""Entries of a container that is gone into only when all else is done."""

FRAME_START = 8
"""References by which a path from a module may be longer than one from a local variable that lasts, and this than one
from another, which is a worse place to look: so many are four attributes, as in ``shop.app.state.cache.entries``."""

ROOTS_BY = 0.75
"""Share of the time or of MOST_OBJECTS after which all roots have started: some things are held by a task alone."""

HEAD_START = 2
"""The same for a path from the target's own code before one from its packages, and for theirs before one from
Python's."""

CHECK_EVERY = 256

PARTS = 1 << 10
"""Parts of the index, of neighbouring addresses each. glibc maps a block of 128 KiB or more on its own and raises that
size when it is freed: one large index would leave its megabytes, and change how the target's own blocks are served."""

PART_BITS = 14
"""Bits of an address within a part: a pool of pymalloc."""


class Walk:
    """Objects in the order they were reached, each with the one that led to it.

    ``apart`` are addresses of objects whose contents come last, as those of large containers do: what was reached
    before is held by others, too.
    """

    def __init__(
        self,
        roots: Sequence[Root],
        kinds: Kinds,
        apart: Iterable[int],
        hidden: Iterable[Any],
        deadline_s: float,
    ) -> None:
        self.roots = roots
        self.hidden = list(hidden)
        self.objects: list[Any] = []
        self.whole = True
        self.is_at_end = False
        """Whether all that the roots lead to was gone into, but for what ``whole`` says."""
        self._kinds = kinds
        self._registries = frozenset(map(id, registries()))
        self._apart = self._registries.union(apart)
        self._of_tasks = frozenset(map(id, registries_of_tasks()))
        coroutines = {root.coroutine for root in roots if root.coroutine and not root.is_late}
        self._at_last = coroutines.union(self._of_tasks)
        """A task is a root of its own, and whether it runs or waits at this instant must change no path."""
        self._started_s = time.monotonic()
        self._deadline_s = deadline_s
        self._parents = array("i")
        self._index: list[dict[int, int]] = [{} for _ in range(PARTS)]
        """Places in ``objects`` by address, -1 for what is hidden."""
        for thing in self.hidden:
            self._part_of(id(thing))[id(thing)] = -1
        self._roots_by_names = {id(root.names): root for root in roots}
        for root in roots:
            if not root.is_late:
                self._add(root.names, -1)
        self._later: list[int] = []
        self._last: list[int] = []
        self._enter_roots()
        self.shared = len(self.objects)
        """So many of the first objects are reached without what lies apart."""

    def go_on(self) -> None:
        """Go into the large containers and what was kept apart, then into event loops and what starts late."""
        late = [
            root.names
            for root in self.roots
            if root.is_late and id(root.names) not in self._part_of(id(root.names))
        ]
        self._last += [self._add(names, -1) for names in late]
        while not self._is_spent():
            if not self._later:
                self._later, self._last = self._last, []
            if not self._later:
                self.is_at_end = True
                return
            level, self._later = self._later, []
            while level and not self._is_spent():
                level, _ = self._next_level(level)

    def position(self, thing: Any) -> int | None:
        """Return the place of an object that was reached, None for others."""
        place = self._part_of(id(thing)).get(id(thing), -1)
        return None if place < 0 else place

    def has_address(self, address: int) -> bool:
        """Return whether an object at this address was reached."""
        return self._part_of(address).get(address, -1) >= 0

    def is_hidden(self, address: int) -> bool:
        """Return whether the probe's own lies at this address."""
        return self._part_of(address).get(address) == -1

    def chain_to(self, address: int) -> list[Any]:
        """Return the chain to the object at an address that was reached."""
        return self.chain(self._part_of(address)[address])

    def is_shared(self, thing: Any) -> bool:
        """Return whether the object is the probe's, or is reached without what lies apart."""
        return self._part_of(id(thing)).get(id(thing), self.shared) < self.shared

    def chain(self, position: int) -> list[Any]:
        """Return the objects from the names of a root to the one at ``position``."""
        found = [self.objects[position]]
        while (position := self._parents[position]) >= 0:
            found.append(self.objects[position])
        return found[::-1]

    def root_of(self, chain: Sequence[Any]) -> Root:
        """Return the root at which a chain begins.

        Of several modules that have its first object it is the one where the object's class, or the class itself,
        lives.
        """
        root = self._roots_by_names[id(chain[0])]
        if not root.is_module or len(chain) == 1:
            return root
        first = chain[1]
        home = type_name(first) if is_a(first, type) else self._kinds.of(first).name
        for other in self.roots:
            if other.is_module and home.startswith(f"{other.label}.") and _has(other.names, first):
                return other
        return root

    def is_poor(self, chain: Sequence[Any]) -> bool:
        """Return whether a chain is a poor answer: it leads through a registry, or starts late."""
        poor = self._registries | self._of_tasks
        through = any(id(thing) in poor or self._kinds.of(thing).registry for thing in chain[:-1])
        return through or self.root_of(chain).is_late

    def is_late(self) -> bool:
        """Return whether the time that was given is over."""
        return clock_s() > self._deadline_s

    def own(self) -> list[Any]:
        """Return what the walk itself is made of, which refers to everything."""
        return [
            self,
            self.__dict__,
            self.objects,
            self._index,
            *self._index,
            self._later,
            self._last,
            self._roots_by_names,
            self.roots,
            self.hidden,
            *self.roots,
        ]

    def own_addresses(self) -> set[int]:
        """Return where the parts of the walk are, and the copies of local variables at which it starts."""
        copies = (root.names for root in self.roots if not root.is_module)
        return {id(part) for part in (*self.own(), *copies)}

    def _enter_roots(self) -> None:
        level: list[int] = []
        waiting = list(range(len(self.objects)))
        depth = 0
        while (level or waiting) and not self._is_spent():
            level += [place for place in waiting if self._start(place) <= depth]
            waiting = [place for place in waiting if self._start(place) > depth]
            level, rest = self._next_level(level, ROOTS_BY if waiting else 1.0)
            depth += 1
            if rest:
                while waiting:
                    waiting, _ = self._next_level(waiting)
                level += rest

    def _start(self, place: int) -> int:
        root = self._roots_by_names[id(self.objects[place])]
        return root.owner * HEAD_START + FRAME_START * ((not root.is_module) + (not root.lasts))

    def _part_of(self, address: int) -> dict[int, int]:
        return self._index[address >> PART_BITS & PARTS - 1]

    def _add(self, thing: Any, parent: int) -> int:
        place = self._part_of(id(thing))[id(thing)] = len(self.objects)
        self.objects.append(thing)
        self._parents.append(parent)
        return place

    def _next_level(self, level: list[int], share: float = 1.0) -> tuple[list[int], list[int]]:
        """Return what the level leads to, and what of it is left when so much of time and objects is spent."""
        objects, index, apart, at_last = self.objects, self._index, self._apart, self._at_last
        met, kind_of = self._kinds.met, self._kinds.of
        reached: list[int] = []
        for count, parent in enumerate(level):
            if count % CHECK_EVERY == 0 and self._is_spent(share):
                return reached, level[count:]
            thing = objects[parent]
            kind = kind_of(thing)
            if kind.length is not None and kind.length(thing) > max(LARGE, MOST_OBJECTS - len(objects)):
                self.whole = False  # a list of what it holds would be as large
                continue
            for child in referents(thing):
                # most are met: a call for each costs a third
                kind = met.get(id(type(child))) or kind_of(child)
                if kind.leaf:
                    continue
                address = id(child)
                if address in index[address >> PART_BITS & PARTS - 1]:
                    continue
                place = self._add(child, parent)
                if kind.registry or address in at_last:
                    self._last.append(place)
                elif address in apart or (kind.length is not None and kind.length(child) > LARGE):
                    self._later.append(place)
                else:
                    reached.append(place)
        return reached, []

    def _is_spent(self, share: float = 1.0) -> bool:
        by_s = self._started_s + share * (self._deadline_s - self._started_s)
        spent = len(self.objects) > share * MOST_OBJECTS or clock_s() > by_s
        self.whole = self.whole and not (spent and share == 1.0)
        return spent


def _has(names: dict[str, Any], thing: Any) -> bool:
    return any(value is thing for value in list(names.values()))
