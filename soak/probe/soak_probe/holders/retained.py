"""How many bytes hang on a container, and what a few of its entries are."""

from __future__ import annotations

from _weakref import ref as reference_type
from typing import Any, NamedTuple

from .. import creations
from ..pause import clock_s
from .asyncio_objects import coroutine_of, function_name, is_done, is_task
from .objects import attribute_of, entries_of, is_a, is_static, referents
from .roots import registries_of_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .objects import Kinds

MOST_ENTRIES = 200
MOST_OBJECTS = 50_000
LONGEST_S = 0.05
SHORTEST_S = 0.002
SHOWN = 3
RARE = 0.2
"""What fewer of those walked are does not say what a container holds."""

WEAK = "weak"
"""The state of entries of a dict that does not decide how long they stay: its keys are weak references to what others
hold, or finalizers of it, or its values are threads that run."""

DEAD = "dead"
"""The state of a weak reference whose object is gone: where many are, they are what grows."""

REFERENCES = frozenset((
    "weakref.ReferenceType", "weakref.KeyedRef", "weakref.WeakMethod", "weakref.ProxyType", "weakref.CallableProxyType",
    "builtins.weakref", "builtins.weakproxy", "builtins.weakcallableproxy",
))  # fmt: skip
"""Types that refer weakly, by their names; the last three are those of Python 3.9. ``weakref`` has others, which
retain. The analysis has the same list, ``WEAK_REFERENCES`` of ``analysis.growth.classify``."""

_TO_FINALIZE = "weakref.finalize._Info"
"""What Python keeps for each ``weakref.finalize``: a weak reference to the object, the function and its arguments."""

_dereference = reference_type.__call__


def are_weak(entries: Sequence[dict[str, Any]]) -> bool:
    """Return whether the entries that were described are weak references to what lives, which retain nothing."""
    return bool(entries) and all(
        entry["type"] in REFERENCES and entry.get("state") != DEAD for entry in entries
    )


class Retained(NamedTuple):
    """What hangs on a container."""

    size_bytes: int
    whole: bool
    """False when the bytes are estimated from a sample, or the walk was cut short."""
    entries: list[dict[str, Any]]


class Retention:
    """Walks what is held by one container alone, as far as bounds allow.

    What ``is_shared`` with the rest of the program does not count, nor do event loops and selectors. It ends at
    ``by_s`` of the ``clock``, but takes ``SHORTEST_S`` in any case.
    """

    def __init__(
        self,
        kinds: Kinds,
        is_shared: Callable[[Any], bool],
        by_s: float,
        clock: Callable[[], float] = clock_s,
    ) -> None:
        self._kinds = kinds
        self._is_shared = is_shared
        self._clock = clock
        now_s = clock()
        self._deadline_s = now_s + max(SHORTEST_S, min(LONGEST_S, by_s - now_s))
        self._seen: dict[int, Any] = {}
        self._tasks: list[Any] = []
        """Of each entry the first task that hangs on it, or None."""
        self.cut = False

    def of_container(self, container: Any) -> Retained:
        """Return the bytes of a container and of all that hangs on it.

        Up to ``MOST_ENTRIES`` entries are all walked. Of more, an even sample: its first half finds out what entries
        share, and the mean of its second half stands for each entry that was not looked at.
        """
        kind = self._kinds.of(container)
        own_bytes = self._kinds.bytes_of(container)
        self._seen[id(container)] = container
        length = 0 if kind.length is None else kind.length(container)
        entries = entries_of(container, kind, MOST_ENTRIES)
        size_bytes, sizes = self._sizes(entries, keys=kind.is_mapping)
        if kind.base is not None and length > len(entries):
            later = sizes[len(sizes) // 2 :]
            size_bytes += (length - len(entries)) * sum(later) // max(1, len(later))
            self.cut = True
        if not kind.is_mapping:
            return Retained(own_bytes + size_bytes, not self.cut, self._describe(entries, sizes))
        described = self._describe([value for _, value in entries], sizes)
        if self._others_decide(entries[: len(sizes)]) or any(
            container is known for known in registries_of_threads()
        ):
            described = [{"state": WEAK, **one} for one in described]
        return Retained(own_bytes + size_bytes, not self.cut, described)

    def _others_decide(self, entries: Sequence[tuple[Any, Any]]) -> bool:
        """Return whether others hold the objects to which the keys refer weakly, or which they are to finalize.

        A value that was walked, or a function that is to be called, may be what retains them.
        """
        references = []
        for key, value in entries:
            is_to_finalize = self._kinds.of(value).name == _TO_FINALIZE
            if not is_to_finalize and self._kinds.of(key).name not in REFERENCES:
                return False
            references.append(attribute_of(value, "weakref") if is_to_finalize else key)
        living = set(map(id, map(_dereference, [one for one in references if is_a(one, reference_type)])))
        return len((living - {id(None)}) & self._seen.keys()) <= RARE * len(references)

    def of_sample(self, sample: Sequence[Any], count: int) -> Retained:
        """Return the bytes of ``count`` objects of a type, by the mean of the ``sample`` and of others it leads to."""
        size_bytes, sizes = self._sizes(sample, keys=False)
        types = set(map(id, map(type, sample)))
        met = sum(id(type(thing)) in types for thing in self._seen.values())
        return Retained(size_bytes * count // max(1, len(sizes), met), False, self._describe(sample, sizes))

    def _sizes(self, entries: Sequence[Any], *, keys: bool) -> tuple[int, list[int]]:
        """Return the bytes of all entries and of each: what several hold is the first one's."""
        sizes: list[int] = []
        for entry in entries:
            if self.cut:
                break
            self._tasks.append(None)
            sizes.append(self._walk(list(entry) if keys else [entry]))
        return sum(sizes), sizes

    def _walk(self, found: list[Any]) -> int:
        size_bytes = 0
        while found:
            thing = found.pop()
            kind = self._kinds.of(thing)
            if id(thing) in self._seen or self._is_shared(thing):
                continue
            if kind.registry or (kind.is_class and is_static(thing)):
                continue
            if len(self._seen) > MOST_OBJECTS or self._clock() >= self._deadline_s:
                self.cut = True
                break
            self._seen[id(thing)] = thing
            size_bytes += self._kinds.bytes_of(thing)
            if kind.task and self._tasks and self._tasks[-1] is None:
                self._tasks[-1] = thing
            if not kind.leaf:
                found += referents(thing)
        return size_bytes

    def _describe(self, things: Sequence[Any], sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Describe one of each sort that is not rare, what most of them are first, then more of those.

        Of a sort it is the last that was walked: its bytes are its alone.
        """
        sorts: dict[tuple[str, str], list[int]] = {}
        for place, thing in enumerate(things[: len(sizes)]):
            sorts.setdefault((self._kinds.of(thing).name, _state_of(thing)), []).append(place)
        common = [places for places in sorts.values() if len(places) >= RARE * len(sizes)]
        commonest = sorted(common or sorts.values(), key=len, reverse=True)
        shown = [places.pop() for places in commonest]
        shown += [place for places in commonest for place in reversed(places)]
        return [self._described(things[place], sizes[place], self._tasks[place]) for place in shown[:SHOWN]]

    def _described(self, thing: Any, size_bytes: int, task: Any) -> dict[str, Any]:
        """Return type and size, never a value: values can be secrets."""
        kind = self._kinds.of(thing)
        described: dict[str, Any] = {"type": kind.name, "bytes": size_bytes}
        if kind.length is not None:
            described["length"] = kind.length(thing)
        if task is not None and task is not thing:
            described["task"] = _state_of(task)
        state = _state_of(thing)
        if state:
            described["state"] = state
        if is_task(thing):
            code = creations.code_of(coroutine_of(thing))
            if code is not None:
                described["coroutine"] = function_name(code)[:-2]
                site = creations.site_of(code)
                if site is not None:
                    described["created"] = site
        return described


def _state_of(thing: Any) -> str:
    """Return "finished" or "pending" of a task, "dead" of a weak reference to what is gone, nothing of others."""
    if is_a(thing, reference_type):
        return DEAD if _is_dead(thing) else ""
    if not is_task(thing):
        return ""
    return "finished" if is_done(thing) else "pending"


def _is_dead(reference: Any) -> bool:
    """Return whether the object is gone, in C alone: were it held meanwhile, we might be the last and run its code."""
    return next(map(type, map(_dereference, (reference,)))) is type(None)
