"""Names what holds an object: the op ``who``, for a target that nothing loads."""

from __future__ import annotations

import gc
import time
from _thread import get_ident
from collections import Counter
from itertools import compress
from typing import Any, NamedTuple

from ..standstill import alone, count_objects
from ..tasks import registry
from .climb import Found, climb
from .objects import Kinds, is_listed, of_types, type_name, types_of
from .paths import write_path
from .retained import Retained, Retention, are_weak
from .roots import find_roots, hidden_names
from .walk import Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


MOST_SUSPECTS = 256
MOST_BUDGET_S = 60.0
SAMPLE = 5
WALK_SHARE = 0.6
"""Of the time; the rest is for sizes and for the way back."""

HOLD_S_EACH = 5e-6
"""Time for which the interpreter may be kept, seconds per object: several times what the way back takes."""
SHORTEST_HOLD_S = 0.25

UNFINISHED = ("builtins.tuple", "builtins.frozenset")
"""Types whose objects C may still be filling when they are listed: none is kept until another thread runs."""

PROBE = "probe"
"""The state of a suspect that is the probe's own."""

ABSENT = "absent"
"""The collector lists no object of that type there: it is gone, or the interpreter's own."""


UNTRACKED = "untracked"
"""The state of a type whose objects the collector never lists, so that nothing leads back from them."""


class Suspect(NamedTuple):
    """A container at an address; with address 0 a type whose objects grow in number."""

    address: int
    type: str
    length: int


def parse(request: dict[str, Any]) -> tuple[list[Suspect], float]:
    """Return suspects and seconds of a request; raises ValueError with what is wrong with it."""
    suspects, budget_s = request.get("suspects"), request.get("budget_s")
    if not isinstance(suspects, list) or len(suspects) > MOST_SUSPECTS:
        raise ValueError(f"suspects is not a list of at most {MOST_SUSPECTS}")
    if type(budget_s) not in (int, float) or not 0 < budget_s <= MOST_BUDGET_S:  # type: ignore[operator]
        raise ValueError(f"budget_s {budget_s!r} is not a number of seconds up to {MOST_BUDGET_S:.0f}")
    return [_suspect(suspect) for suspect in suspects], float(budget_s)  # type: ignore[arg-type]


def who(suspects: Sequence[Suspect], budget_s: float, hidden: Sequence[Any] = ()) -> dict[str, Any]:
    """Return for each suspect its path, what hangs on it and a sample of its entries, in the order given.

    ``hidden`` is what the probe holds itself. Where the time was too short, what is not known stays out: no error.
    ``visited`` objects were reached by the walk, ``whole`` is whether it came to its end.
    """
    started_s = time.monotonic()
    kinds = Kinds()
    known = registry()
    searched = [suspect for suspect in suspects if known is None or suspect.address != id(known[1])]
    apart = {suspect.address for suspect in searched if suspect.address}
    roots = find_roots(get_ident())
    own, by_s = [*hidden_names(), *hidden], started_s + budget_s * WALK_SHARE
    walk = Walk(roots, kinds, apart, own, by_s)
    # what frozen objects hold only the walk finds: they are in no list of the collector
    has_types = any(not suspect.address for suspect in searched)
    if not all(map(walk.has_address, apart)) or (has_types and gc.get_freeze_count()):
        walk.go_on()
    unmet = [suspect for suspect in searched if not walk.has_address(suspect.address)]
    hold_s = max(SHORTEST_HOLD_S, HOLD_S_EACH * count_objects()) if unmet else 0.0
    listed: dict[Suspect, list[Any]] = {suspect: [] for suspect in unmet}
    lasting = {suspect: things for suspect, things in listed.items() if suspect.type not in UNFINISHED}
    if lasting and not walk.is_late():
        with alone(hold_s):
            _list(lasting)
    search = _Search(walk, kinds, listed, started_s + budget_s, known, hold_s)
    answers = [search.answer(suspect) for suspect in suspects]
    return {"holders": answers, "visited": len(walk.objects), "whole": walk.whole}


class _Search:
    """What is asked of one walk. ``listed`` are objects that only the collector's lists lead to, by what was asked.

    ``known`` is a container whose path needs no walk, which comes late to the registry of tasks. For the way back the
    interpreter is kept for up to ``hold_s``.
    """

    def __init__(
        self,
        walk: Walk,
        kinds: Kinds,
        listed: dict[Suspect, list[Any]],
        by_s: float,
        known: tuple[str, Any] | None,
        hold_s: float,
    ) -> None:
        self._walk = walk
        self._known = known
        self._kinds = kinds
        self._listed = listed
        self._by_s = by_s
        self._hold_s = hold_s
        self._are_listed: dict[str, bool] | None = None
        """Whether the collector may list the objects of the classes reached, by their names."""
        walk.hidden += [listed, *listed.values()]

    def answer(self, suspect: Suspect) -> dict[str, Any]:
        if suspect.type in UNFINISHED and suspect in self._listed and not self._is_late():
            with alone(self._hold_s):
                things = self._listed[suspect]
                _list({suspect: things})
                found, retained = self._find(suspect)
                things.clear()
        else:
            found, retained = self._find(suspect)
        answer: dict[str, Any] = {**suspect._asdict(), "holder": found.path}
        if found.state:
            answer["state"] = found.state
        if retained is not None:
            answer["retained_bytes"] = retained.size_bytes
            answer["retained_whole"] = int(retained.whole)
            answer["entries"] = retained.entries
        return answer

    def _find(self, suspect: Suspect) -> tuple[Found, Retained | None]:
        return self._of_object(suspect) if suspect.address else self._of_type(suspect)

    def _climb(self, suspect: Suspect, things: list[Any]) -> Found:
        if self._is_late():
            return Found("", "")
        if suspect.type in UNFINISHED:
            return climb(things, self._walk, self._is_late)
        with alone(self._hold_s):
            return climb(things, self._walk, self._is_late)

    def _of_object(self, suspect: Suspect) -> tuple[Found, Retained | None]:
        walk = self._walk
        if self._known is not None and suspect.address == id(self._known[1]):
            return Found(self._known[0], ""), self._retention().of_container(self._known[1])
        if walk.is_hidden(suspect.address):
            return Found("", PROBE), None
        if walk.has_address(suspect.address):
            chain = walk.chain_to(suspect.address)
            if self._kinds.of(chain[-1]).name != suspect.type:
                return Found("", ABSENT), None
            return Found(write_path(walk.root_of(chain), chain), ""), self._retention().of_container(
                chain[-1]
            )
        things = self._listed.get(suspect, [])
        if not things:
            return Found("", ABSENT if walk.whole else ""), None
        retained = self._retention().of_container(things[0])
        # C holds the table of a class's subclasses, which has weak references only: it is not lost, and holds nothing
        return Found("", "") if are_weak(retained.entries) else self._climb(suspect, things), retained

    def _of_type(self, suspect: Suspect) -> tuple[Found, Retained | None]:
        walk, sample = self._walk, self._listed.get(suspect, [])
        if not sample:
            return Found("", UNTRACKED if self._is_untracked(suspect.type) else ""), None
        retained = self._retention().of_sample(sample, suspect.length)
        place = next((place for place in map(walk.position, sample) if place is not None), None)
        if place is None:
            return self._climb(suspect, sample), retained
        chain = walk.chain(place)
        return Found(write_path(walk.root_of(chain), chain), ""), retained

    def _is_untracked(self, name: str) -> bool:
        """Return whether a class of that name was reached, and none whose objects are listed."""
        if self._are_listed is None:
            kind_of = self._kinds.of
            listed = self._are_listed = {}
            for cls in [thing for thing in self._walk.objects if kind_of(thing).is_class]:
                listed[type_name(cls)] = is_listed(cls) or listed.get(type_name(cls), False)
        return not self._are_listed.get(name, True)

    def _retention(self) -> Retention:
        return Retention(self._kinds, self._walk.is_shared, self._by_s)

    def _is_late(self) -> bool:
        return time.monotonic() > self._by_s


def _list(found: dict[Suspect, list[Any]]) -> None:
    """Add objects from the collector's lists to what is ``found``: one by its address, a few by their type.

    Only while nothing else runs; the loops over all objects are C's.
    """
    by_address = {suspect.address: suspect for suspect in found if suspect.address}
    by_type = {suspect.type: suspect for suspect in found if not suspect.address}
    things = gc.get_objects()
    if by_type:
        _add_samples(things, by_type, found)
    for thing in compress(things, map(by_address.__contains__, map(id, things))):
        suspect = by_address[id(thing)]
        if suspect.type == type_name(type(thing)):
            found[suspect].append(thing)


def _add_samples(things: list[Any], by_type: dict[str, Suspect], found: dict[Suspect, list[Any]]) -> None:
    """Add the last few of each type, in no order that says how old they are.

    Of a type of which the lists hold less than half, as of tuples of words, those that grow may be others: none.
    """
    names = {address: type_name(cls) for address, cls in types_of(things).items()}
    counts = dict.fromkeys(by_type, 0)
    for address, count in Counter(map(id, map(type, things))).items():
        if names[address] in counts:
            counts[names[address]] += count
    enough = {name for name, count in counts.items() if 2 * count >= by_type[name].length}
    wanted = {address: found[by_type[name]] for address, name in names.items() if name in enough}
    things.reverse()
    for thing in of_types(things, wanted):
        sample = wanted[id(type(thing))]
        if len(sample) < SAMPLE:
            sample.append(thing)
        else:
            del wanted[id(type(thing))]
            if not wanted:
                break


def _suspect(given: Any) -> Suspect:
    if isinstance(given, dict):
        suspect = Suspect(given.get("address"), given.get("type"), given.get("length"))  # type: ignore[arg-type]
        if type(suspect.address) is int and type(suspect.type) is str and type(suspect.length) is int:
            return suspect
    raise ValueError("a suspect is address (a number, 0 for a type), type (its name) and length (a number)")
