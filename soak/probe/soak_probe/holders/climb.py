"""The way back from an object that the forward walk did not reach: who refers to it, and who to that."""

from __future__ import annotations

import gc
import sys
import types
from itertools import compress
from typing import Any, NamedTuple

from .agreement import way_of
from .objects import attributes_of, is_a, mro_of, names_of, of_types, referents, types_of
from .paths import write_path
from .roots import is_of_the_probe
from .unlisted import is_context, may_be_held_by_python, write_context_path
from .variables import innermost_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .agreement import Way
    from .walk import Walk

MOST_PASSES = 8
"""Each is a pass over all objects, 0.03 s to 0.1 s per million, in which the target stands still."""

MOST_ABOVE = 200

UNREFERENCED = "unreferenced"
"""More references to it are counted than objects have, and Python itself has none: one was lost in native code."""

BY_PYTHON = "by python"
"""The same, but that Python itself may have the reference; no answer, as it tells nothing of one object alone."""

CYCLE = "cycle"
"""Only objects that nobody reaches refer to it: the collector has not come to them yet."""


class Found(NamedTuple):
    """A path, or a word for its absence; both empty where the search was not finished."""

    path: str
    state: str
    way: Way | None = None


def climb(things: list[Any], walk: Walk, is_late: Callable[[], bool]) -> Found:
    """Return the path to one of ``things``, none of which the walk reached, or why there is none. Empties the list."""
    above: dict[int, tuple[Any, Any]] = {id(thing): (thing, None) for thing in things}
    level = list(things)
    poor: list[Found] = []
    for _ in range(MOST_PASSES):
        if is_late():
            break
        found = _pass(level, things, above, walk, poor)
        if found is not None:
            return found
        if not level:
            in_context = _in_context(above)
            if poor:
                return in_context or poor[0]
            asked, closed = len(things), [thing for thing, _below in above.values()]
            above.clear()
            things.clear()
            state = state_of(closed, asked, [known for known in walk.hidden if type(known) is list])
            if in_context and state != CYCLE:
                return in_context
            is_hidden = state in (UNREFERENCED, BY_PYTHON) and _may_be_out_of_sight(walk)
            return Found("", "" if is_hidden else state)
        if len(above) > MOST_ABOVE:
            break
    return poor[0] if poor else Found("", "")


def _pass(
    level: list[Any], things: list[Any], above: dict[int, tuple[Any, Any]], walk: Walk, poor: list[Found]
) -> Found | None:
    """Replace ``level`` by what refers to it, and add that to ``above``; return a path as soon as there is a good one.

    Paths that say little are added to ``poor``.
    """
    own = {id(part) for part in (*walk.own(), things, above, level, *above.values())}
    own.update(id(known) for known in walk.hidden)
    ids = {id(thing) for thing in level}
    referrers = gc.get_referrers(*level)
    referrers.append((level,))  # nobody else's, as the arguments of the call are
    counts = [sys.getrefcount(referrer) for referrer in referrers]
    referrers.pop()
    level.clear()
    for referrer, count in zip(referrers, counts):  # noqa: B905 - Python 3.9
        if id(referrer) in own or id(referrer) in above or _is_ours(referrer):
            continue
        if type(referrer) is tuple and count <= counts[-1]:
            continue  # the arguments of the call itself: only the list refers to it
        below = next((thing for thing in referents(referrer) if id(thing) in ids), None)
        place = walk.position(referrer)
        if place is not None:
            chain = [*walk.chain(place), *_down(below, above)]
            root = walk.root_of(chain)
            found = Found(write_path(root, chain), "", way_of(root, chain))
            if not walk.is_poor(chain):
                return found
            poor.append(found)
            continue
        if below is not None:
            above[id(referrer)] = (referrer, below)
            level.append(referrer)
    return None


def _in_context(above: dict[int, tuple[Any, Any]]) -> Found | None:
    """Return the path from a context variable, which a thread has in C; None where none leads here."""
    for thing, below in above.values():
        if is_context(thing):
            chain = _down(below, above)
            path = write_context_path(thing, chain)
            if path:
                values = {id(value) for _, value in type(thing).items(thing)}
                place = next((place for place, step in enumerate(chain) if id(step) in values), 0)
                return Found(path, "", tuple(map(id, chain[place:])))
    return None


def state_of(closed: list[Any], asked: int, ours: Sequence[list[Any]] = ()) -> str:
    """Say whether objects to which only they themselves refer are held from elsewhere, as the collector finds out.

    Their references are counted; those that they have to each other, and ours, are taken away. On our side nobody but
    the list and those in ``ours`` may refer to them. Empty where others than the first ``asked`` are held, which may be
    on the stack of a function that runs.
    """
    inner = dict.fromkeys(map(id, closed), 0)
    for thing in (*closed, *ours):
        for child in map(id, referents(thing)):
            if child in inner:
                inner[child] += 1
    thing = None
    closed.append(object())  # nobody else's: so many are ours
    counts = [sys.getrefcount(thing) for thing in closed]
    baseline = counts.pop()
    held = [count - baseline > known for count, known in zip(counts, inner.values())]  # noqa: B905 - Python 3.9
    if not any(held):
        return CYCLE
    if any(held[asked:]):
        return ""
    return BY_PYTHON if any(map(may_be_held_by_python, compress(closed, held))) else UNREFERENCED


def _may_be_out_of_sight(walk: Walk) -> bool:
    """Return whether Python itself may have a reference that neither the walk nor the collector's lists lead to.

    A local variable of a function that is far from both ends of its thread's stack, or runs in a greenlet that is
    suspended, or in any thread where none is looked at; an object that was frozen and that the walk did not come to.
    """
    if (
        any(root.of_cut_stack for root in walk.roots)
        or innermost_frames() is None
        or _is_greenlet_suspended()
    ):
        return True
    return bool(gc.get_freeze_count()) and not (walk.whole and walk.is_at_end)


def _is_greenlet_suspended() -> bool:
    """Return whether a greenlet waits, whose local variables nobody lists; only while nothing else runs."""
    if "greenlet" not in sys.modules:
        return False
    greenlet: Any = (attributes_of(sys.modules["greenlet"]) or {}).get("greenlet")
    frame_of = names_of(greenlet).get("gr_frame") if is_a(greenlet, type) else None
    if frame_of is None or gc.get_freeze_count():
        return True
    things = gc.get_objects()
    greenlets = {
        address for address, cls in types_of(things).items() if any(base is greenlet for base in mro_of(cls))
    }
    return any(frame_of.__get__(thing) is not None for thing in of_types(things, greenlets))


def _down(thing: Any, above: dict[int, tuple[Any, Any]]) -> list[Any]:
    chain = []
    while thing is not None:
        chain.append(thing)
        thing = above[id(thing)][1]
    return chain


def _is_ours(referrer: Any) -> bool:
    """Return whether it is a frame or generator of the probe: up to Python 3.10 these refer to what they look at."""
    frame = referrer.gi_frame if type(referrer) is types.GeneratorType else referrer
    if type(frame) is not types.FrameType:
        return False
    return is_of_the_probe(dict.get(frame.f_globals, "__name__"))
