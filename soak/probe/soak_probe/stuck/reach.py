"""Everything that the roots lead to, but a waiting task only once the future it awaits is reached by something else."""

from __future__ import annotations

import gc
import types
import weakref
from collections import Counter
from typing import Any

from ..holders.asyncio_objects import is_done
from ..holders.objects import attribute_of, type_name
from .snapshot import CHUNK, MODULE, PROXY, WEAK, Snapshot
from .waits import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_dereference = weakref.ref.__call__


class Reach:
    """What is reached so far; ``enter`` and ``release`` add to it, ``go`` follows all that was added.

    Weak references count, as whoever has one has the object. Those to asynchronous generators do not: every event loop
    keeps one of each, and what has a generator cannot wake what it awaits.
    """

    def __init__(
        self, snapshot: Snapshot, waits: Sequence[Wait], hidden: set[int], check_time: Callable[[], None]
    ) -> None:
        self._check_time = check_time
        self._waits = waits
        self._unseen = set(map(id, snapshot.objects)) - hidden
        self._next: list[Any] = []
        self._guards: dict[int, Wait] = {}
        self._awaited: dict[int, list[Wait]] = {}
        self._leads: dict[int, list[Any]] = {}
        """What an object leads to beside its referents, by its address: nothing of a module, which is not entered."""
        self._closed = frozenset(map(id, snapshot.of(MODULE)))
        for reference in snapshot.of(WEAK):
            thing = _dereference(reference)
            if thing is not None and type(thing) is not types.AsyncGeneratorType:
                self._leads[id(reference)] = [thing]
        self._leads.update(_targets_of_proxies(snapshot))
        self._leads.update(_values_of_dicts(snapshot.objects))
        for wait in waits:
            self._guards.update((id(guard), wait) for guard in wait.guards())
            self._awaited.setdefault(id(wait.future), []).append(wait)
        self._tasks = frozenset(id(wait.task) for wait in waits)
        self._special = frozenset((*self._guards, *self._awaited, *self._leads, *self._closed))
        for wait in waits:
            if is_done(wait.future) is not False or id(wait.future) not in self._unseen:
                self.release(wait)

    def has(self, thing: Any) -> bool:
        """Return whether an object is reached, and can be used by what runs."""
        wait = self._guards.get(id(thing))
        return id(thing) not in self._unseen if wait is None else wait.released

    def is_whole(self) -> bool:
        """Return whether every waiting task is released."""
        return all(wait.released for wait in self._waits)

    def waits_among(self, things: Iterable[Any]) -> list[Wait]:
        """Return what those of the objects that are waiting tasks wait by."""
        return [self._guards[address] for address in self._tasks.intersection(map(id, things))]

    def release(self, wait: Wait) -> None:
        """Enter a waiting task: something can wake or cancel it, and so those who await it."""
        freed = [wait]
        while freed:
            one = freed.pop()
            if one.released:
                continue
            one.released = True
            guards = one.guards()
            self._unseen.difference_update(map(id, guards))
            self._next += guards
            freed += self._awaited.get(id(one.task), ())

    def cancel(self, wait: Wait) -> None:
        """Release a task that something can cancel, and what it awaits, which is cancelled first."""
        left = [wait]
        while left:
            one = left.pop()
            if one.at_hand:
                continue
            one.at_hand = True
            for other in (one, *self._awaited.get(id(one.future), ())):
                self.release(other)
            awaited = [one.future]
            if type_name(type(one.future)) == "asyncio.tasks._GatheringFuture":
                awaited += attribute_of(one.future, "_children") or ()
            left += self.waits_among(awaited)

    def enter(self, things: Iterable[Any]) -> None:
        """Take objects as reached; a root that is part of a waiting task is at hand of whoever has it."""
        found = {id(thing): thing for thing in things}
        for address in found.keys() & self._guards.keys():
            self.cancel(self._guards[address])
        self._take(found)

    def go(self) -> None:
        """Follow everything that was reached."""
        while self._next:
            level, self._next = self._next, []
            for start in range(0, len(level), CHUNK):
                self._check_time()
                referents = gc.get_referents(*level[start : start + CHUNK])
                self._take(dict(zip(map(id, referents), referents)))  # noqa: B905 - Python 3.9

    def _take(self, found: dict[int, Any]) -> None:
        """Keep what is new of ``found`` to be followed; what is special is followed in its own way."""
        while found:
            new = self._unseen.intersection(found)
            self._unseen -= new
            special = new & self._special
            self._next += [found[address] for address in (new - special if special else new)]
            leads: dict[int, Any] = {}
            for address in special:
                if address in self._guards:
                    continue  # it waits, until its future is reached
                for wait in self._awaited.get(address, ()):
                    self.release(wait)
                leads.update((id(thing), thing) for thing in self._leads.get(address, ()))
                if address not in self._closed:
                    self._next.append(found[address])
            found = leads


def _targets_of_proxies(snapshot: Snapshot) -> dict[int, list[Any]]:
    """Return the object of each weak proxy; of one with a callback all objects that it may be of.

    ``getweakrefs`` would tell, but up to Python 3.12 it also gives out, and so frees twice, a reference that another
    thread is destroying. To ask for a proxy without a callback returns the one that is there. What has more weak
    references than are listed has a proxy, or one that is being destroyed.
    """
    addresses = frozenset(map(id, snapshot.of(PROXY)))
    if not addresses:
        return {}
    others: list[Any] = []
    leads = dict.fromkeys(addresses, others)
    listed = Counter(map(id, map(_dereference, snapshot.of(WEAK))))
    counts = map(weakref.getweakrefcount, snapshot.objects)
    for thing, count in zip(snapshot.objects, counts):  # noqa: B905 - Python 3.9
        unknown = count - listed[id(thing)] if count else 0
        if unknown > 0:
            address = id(weakref.proxy(thing))
            if address in addresses:
                leads[address] = [thing]
                unknown -= 1
            if unknown:
                others.append(thing)
    return leads


def _values_of_dicts(objects: Iterable[Any]) -> dict[int, list[Any]]:
    """Return the values of dicts that have none for the collector: since Python 3.13 those in the object itself."""
    return {
        id(thing): list(dict.values(thing))
        for thing in objects
        if type(thing) is dict and thing and not gc.get_referents(thing)
    }
