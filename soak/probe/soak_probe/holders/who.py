"""Names what holds an object: the op ``who``, for a target that nothing loads."""

from __future__ import annotations

import gc
import sys
import time
from _thread import get_ident
from contextlib import nullcontext
from itertools import compress
from typing import Any, NamedTuple

from ..pause import clock_s
from ..standstill import alone, can_be_alone, count_objects
from ..tasks import registry
from .agreement import agreed, way_of
from .climb import BY_PYTHON, UNREFERENCED, Found, climb
from .objects import Kinds, is_listed, type_name
from .paths import write_path
from .retained import Retained, Retention, are_weak
from .roots import find_roots, hidden_names
from .samples import NEWEST, add_samples, by_age
from .unlisted import most_held_by_python
from .walk import Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .agreement import Way


MOST_SUSPECTS = 256
MOST_BUDGET_S = 60.0
MOST_CLIMBED = 5
"""Objects of a type from which the way back is looked for, each alone: it is a few passes over all objects."""
WALK_SHARE = 0.6
"""Of the time; the rest is for sizes and for the way back."""

HOLD_S_EACH = 5e-6
"""Time for which the interpreter may be kept, seconds per object: several times what the way back takes."""
SHORTEST_HOLD_S = 0.25
ROOTS_HOLD_S = 0.05
MAY_BE_TRACED = sys.version_info < (3, 13)
"""Whether a function whose variables are read may lose them, were another thread to begin to trace it meanwhile."""

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
    ``visited`` objects were reached by the walk, ``whole`` is whether it came to its end. Where threads run at once
    nothing is known: to look at the variables of one that runs could end the process.
    """
    if not can_be_alone():
        unknown = [{**suspect._asdict(), "holder": ""} for suspect in suspects]
        return {"holders": unknown, "visited": 0, "whole": False}
    started_s = time.monotonic()
    kinds = Kinds()
    known = registry()
    searched = [suspect for suspect in suspects if known is None or suspect.address != id(known[1])]
    apart = {suspect.address for suspect in searched if suspect.address}
    with alone(ROOTS_HOLD_S) if MAY_BE_TRACED else nullcontext():
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
            _list(lasting, walk)
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
                _list({suspect: things}, self._walk)
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
        found = Found("", "") if are_weak(retained.entries) else self._climb(suspect, things)
        return Found("", "") if found.state == BY_PYTHON else found, retained

    def _of_type(self, suspect: Suspect) -> tuple[Found, Retained | None]:
        walk, sample = self._walk, self._listed.get(suspect, [])
        if not sample:
            return Found("", UNTRACKED if self._is_untracked(suspect.type) else ""), None
        places = [walk.position(thing) for thing in sample]
        most = agreed([None if place is None else self._way(place) for place in places], len(sample))
        if most:
            return self._reached(sample[most[0]]), self._sizes(suspect, sample, most)
        if 2 * places.count(None) <= len(sample):
            return Found("", ""), None
        return self._of_climbed(suspect, sample)

    def _of_climbed(self, suspect: Suspect, sample: list[Any]) -> tuple[Found, Retained | None]:
        """Return what a few of a sample agree on, each climbed alone: a container, or that none of all has one.

        A climb counts references: nothing but the list may refer to an object of the sample.
        """
        walk = self._walk
        climbed = range(0, len(sample), -(-len(sample) // MOST_CLIMBED))
        found: list[Found] = []
        for number in climbed:
            is_reached = walk.position(sample[number]) is not None
            found.append(
                self._reached(sample[number]) if is_reached else self._climb(suspect, [sample[number]])
            )
            most = agreed([one.way for one in found], len(climbed))
            if most:
                return found[most[0]], self._sizes(suspect, sample, [climbed[place] for place in most])
        state = _state_of_all({one.state for one in found}, suspect.length)
        if state and all(walk.position(thing) is None for thing in sample):
            return Found("", state), self._sizes(suspect, sample, climbed)
        return Found("", ""), None

    def _reached(self, thing: Any) -> Found:
        chain = self._walk.chain_to(id(thing))
        root = self._walk.root_of(chain)
        return Found(write_path(root, chain), "", way_of(root, chain))

    def _way(self, place: int) -> Way:
        chain = self._walk.chain(place)
        return way_of(self._walk.root_of(chain), chain)

    def _sizes(self, suspect: Suspect, sample: list[Any], places: Sequence[int]) -> Retained:
        return self._retention().of_sample([sample[place] for place in places], suspect.length)

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
        return clock_s() > self._by_s


def _state_of_all(states: set[str], length: int) -> str:
    """Return what a few of ``length`` objects of a type are all of; empty where they differ.

    Where Python itself may hold each of them, it does not hold more than it can: where all of a few are held so, spread
    over the newest, so are most of these, of which half are counted.
    """
    if BY_PYTHON in states and states <= {BY_PYTHON, UNREFERENCED}:
        return UNREFERENCED if length > 2 * NEWEST * most_held_by_python() else ""
    return states.pop() if len(states) == 1 else ""


def _list(found: dict[Suspect, list[Any]], walk: Walk) -> None:
    """Add objects from the collector's lists to what is ``found``: one by its address, a few by their type.

    Only while nothing else runs; the loops over all objects are C's.
    """
    by_address = {suspect.address: suspect for suspect in found if suspect.address}
    lengths = {suspect.type: suspect.length for suspect in found if not suspect.address}
    things = by_age() if lengths else gc.get_objects()
    if lengths:
        samples = {suspect.type: sample for suspect, sample in found.items() if not suspect.address}
        add_samples(things, samples, lengths, walk.own_addresses())
    for thing in compress(things, map(by_address.__contains__, map(id, things))):
        suspect = by_address[id(thing)]
        if suspect.type == type_name(type(thing)):
            found[suspect].append(thing)


def _suspect(given: Any) -> Suspect:
    if isinstance(given, dict):
        suspect = Suspect(given.get("address"), given.get("type"), given.get("length"))  # type: ignore[arg-type]
        if type(suspect.address) is int and type(suspect.type) is str and type(suspect.length) is int:
            return suspect
    raise ValueError("a suspect is address (a number, 0 for a type), type (its name) and length (a number)")
