"""Names what holds an object: the op ``who``, for a target that nothing loads."""

from __future__ import annotations

import gc
import time
from _thread import get_ident
from typing import Any, NamedTuple

from ..tasks import registry
from .climb import Found, climb
from .objects import Kinds
from .paths import write_path
from .retained import Retained, Retention
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

PROBE = "probe"
"""The state of a suspect that is the probe's own."""

ABSENT = "absent"
"""The collector lists no object of that type there: it is gone, or the interpreter's own."""


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
    if not all(map(walk.has_address, apart)):
        walk.go_on()
    unmet = [suspect for suspect in searched if not walk.has_address(suspect.address)]
    listed = _listed(unmet, kinds) if unmet and not walk.is_late() else {}
    search = _Search(walk, kinds, listed, started_s + budget_s, known)
    answers = [search.answer(suspect) for suspect in suspects]
    return {"holders": answers, "visited": len(walk.objects), "whole": walk.whole}


class _Search:
    """What is asked of one walk. ``listed`` are objects that only the collector's lists lead to, by what was asked.

    ``known`` is a container whose path needs no walk, which comes late to the registry of tasks.
    """

    def __init__(
        self,
        walk: Walk,
        kinds: Kinds,
        listed: dict[Suspect, list[Any]],
        by_s: float,
        known: tuple[str, Any] | None,
    ) -> None:
        self._walk = walk
        self._known = known
        self._kinds = kinds
        self._listed = listed
        self._by_s = by_s
        walk.hidden += [listed, *listed.values()]

    def answer(self, suspect: Suspect) -> dict[str, Any]:
        found, retained = self._of_object(suspect) if suspect.address else self._of_type(suspect)
        answer: dict[str, Any] = {**suspect._asdict(), "holder": found.path}
        if found.state:
            answer["state"] = found.state
        if retained is not None:
            answer["retained_bytes"] = retained.size_bytes
            answer["retained_whole"] = int(retained.whole)
            answer["entries"] = retained.entries
        return answer

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
        weak = retained.entries and all(entry["type"].startswith("weakref.") for entry in retained.entries)
        return Found("", "") if weak else climb(things, walk, self._is_late), retained

    def _of_type(self, suspect: Suspect) -> tuple[Found, Retained | None]:
        walk, sample = self._walk, self._listed.get(suspect, [])
        if not sample:
            return Found("", ""), None
        retained = self._retention().of_sample(sample, suspect.length)
        place = next((place for place in map(walk.position, sample) if place is not None), None)
        if place is None:
            return climb(sample, walk, self._is_late), retained
        chain = walk.chain(place)
        return Found(write_path(walk.root_of(chain), chain), ""), retained

    def _retention(self) -> Retention:
        return Retention(self._kinds, self._walk.is_shared, self._by_s)

    def _is_late(self) -> bool:
        return time.monotonic() > self._by_s


def _listed(suspects: Sequence[Suspect], kinds: Kinds) -> dict[Suspect, list[Any]]:
    """Find objects in the collector's lists, in one pass: one by its address, of a type the youngest few.

    Of a type of which the lists hold less than half, as of tuples of words, those that grow may be others: none.
    """
    by_address = {suspect.address: suspect for suspect in suspects if suspect.address}
    by_type = {suspect.type: suspect for suspect in suspects if not suspect.address}
    found: dict[Suspect, list[Any]] = {suspect: [] for suspect in suspects}
    counts = dict.fromkeys(by_type, 0)
    kind_of = kinds.of
    for thing in gc.get_objects():
        name = kind_of(thing).name
        if name in by_type:
            counts[name] += 1
            sample = found[by_type[name]]
            sample.append(thing)
            if len(sample) > SAMPLE:
                del sample[0]  # the collector lists the oldest first
        suspect = by_address.get(id(thing))
        if suspect is not None and suspect.type == name:
            found[suspect].append(thing)
    for name, count in counts.items():
        if 2 * count < by_type[name].length:
            found[by_type[name]] = []
    return found


def _suspect(given: Any) -> Suspect:
    if isinstance(given, dict):
        suspect = Suspect(given.get("address"), given.get("type"), given.get("length"))  # type: ignore[arg-type]
        if type(suspect.address) is int and type(suspect.type) is str and type(suspect.length) is int:
            return suspect
    raise ValueError("a suspect is address (a number, 0 for a type), type (its name) and length (a number)")
