"""Looks at objects of the target without running any of its code.

No attribute of an object is asked for, nothing is compared, hashed or printed: an object may define what these do. What
is used instead belongs to the interpreter: ``type()``, the descriptors of ``type`` itself, and the collector's
``gc.get_referents``, which names what an object holds and runs nothing but C; see ``referents``.
"""

from __future__ import annotations

import builtins
import gc
import sys
import types
from collections import deque
from itertools import compress, islice
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

HAS_GC = 1 << 14
"""Py_TPFLAGS_HAVE_GC of CPython's object.h."""

HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: a class that was made at run time."""

LONGEST_NAME = 200
"""Characters of a type's name, as in the census."""

GC_HEAD_BYTES = 16
ATTEMPTS = 3

_mro_of: Callable[[type], tuple[type, ...] | None] = type.__dict__["__mro__"].__get__
_names_of: Callable[[type], Any] = type.__dict__["__dict__"].__get__
_flags_of: Callable[[type], int] = type.__dict__["__flags__"].__get__
_module_of: Callable[[type], Any] = type.__dict__["__module__"].__get__
_qualname_of: Callable[[type], Any] = type.__dict__["__qualname__"].__get__
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__

MAPPINGS: tuple[Any, ...] = (
    dict,
    *(vars(builtins)[name] for name in ("frozendict",) if name in vars(builtins)),
)
"""The builtin types whose entries are pairs; a frozendict, of Python 3.15, is no dict."""

_ENTRIES: dict[int, tuple[Callable[[Any], int], Callable[[Any], Iterator[Any]]]] = {
    id(base): (base.__len__, base.__iter__) for base in (list, tuple, deque, set, frozenset)
}


def items_of(items: Any) -> Iterator[Any]:
    """Return an iterator over a tuple; of a plain one over those that the collector sees.

    Up to Python 3.13 C may still be filling it, as that of ``tuple(...)`` from a generator that waits: to iterate to
    what is not there yet ends the process.
    """
    return reversed(gc.get_referents(items)) if type(items) is tuple else tuple.__iter__(items)


_ENTRIES[id(tuple)] = (tuple.__len__, items_of)


def _pairs_of(mapping: Any) -> Callable[[Any], Iterator[Any]]:
    items = mapping.items
    return lambda entries: iter(items(entries))


_ENTRIES.update((id(mapping), (mapping.__len__, _pairs_of(mapping))) for mapping in MAPPINGS)
_NEVER_ENTERED = frozenset(map(id, (types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType)))
_REGISTRIES = frozenset(("asyncio.base_events.BaseEventLoop", "uvloop.loop.Loop", "selectors.BaseSelector"))
_TASKS = frozenset(("_asyncio.Task", "asyncio.tasks.Task"))


def mro_of(cls: type) -> tuple[type, ...]:
    """Return the type and those it derives from; of a type of C that nobody has made ready, itself."""
    return _mro_of(cls) or (cls,)


def names_of(cls: type) -> Any:
    """Return the names of a class, to be read alone."""
    return _names_of(cls) or {}


def is_a(thing: Any, base: type) -> bool:
    """Return whether the type of ``thing`` is ``base`` or derives from it; a class can deceive ``isinstance``."""
    return any(other is base for other in mro_of(type(thing)))


def is_one_of(cls: type, classes: Iterable[type]) -> bool:
    """Return whether a class is one of these; its metaclass can define what it is equal to, and ``in`` would ask it."""
    return any(cls is one for one in classes)


def mapping_of(thing: Any) -> Any:
    """Return which of MAPPINGS ``thing`` is or derives from, None for none of them."""
    return next((base for base in mro_of(type(thing)) if any(base is mapping for mapping in MAPPINGS)), None)


def is_static(cls: type) -> bool:
    """Return whether it is a type of C that is part of the program and not of its heap."""
    return not _flags_of(cls) & HEAP_TYPE


def is_listed(cls: type) -> bool:
    """Return whether the collector may list objects of a type: those of str, bytes or int it never does."""
    return bool(_flags_of(cls) & HAS_GC)


def type_name(cls: type) -> str:
    """Return the name of a type with its module, as the census of the heap spells it.

    A type without a module is made by C, or by ``type()`` where no module is at hand. A name of a class derived from
    str is no text: to write it could run code.
    """
    try:
        module = _module_of(cls)
    except AttributeError:
        module = None
    name, qualname = str.__str__(_name_of(cls)), _qualname_of(cls)
    last = qualname if type(qualname) is str and qualname else name.rpartition(".")[2]
    unplaced = name if "." in name else f"?.{last}"
    text = f"{module}.{last}" if type(module) is str and module else unplaced
    if len(text) > LONGEST_NAME or not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_NAME])
    return text


def types_of(things: list[Any]) -> dict[int, type]:
    """Return the types of objects by their addresses, at the speed of C; a metaclass may forbid to hash them."""
    return dict(zip(map(id, map(type, things)), map(type, things)))  # noqa: B905 - Python 3.9


def of_types(things: Iterable[Any], addresses: Container[int]) -> Iterator[Any]:
    """Return an iterator over the objects whose types have these addresses; ``things`` can be iterated twice."""
    return compress(things, map(addresses.__contains__, map(id, map(type, things))))


class Kind:
    """What is known of a type."""

    __slots__ = (
        "base", "head_bytes", "is_class", "is_mapping", "iterate", "leaf", "length", "name", "registry", "sizeof",
        "task", "type",
    )  # fmt: skip

    def __init__(self, cls: type) -> None:
        bases = mro_of(cls)
        self.type = cls  # kept, or its address might become another's
        self.name = type_name(cls)
        self.base = next((base for base in bases if id(base) in _ENTRIES), None)
        self.length: Callable[[Any], int] | None = None
        self.iterate: Callable[[Any], Iterator[Any]] | None = None
        if self.base is not None:
            self.length, self.iterate = _ENTRIES[id(self.base)]
        self.is_mapping = any(self.base is mapping for mapping in MAPPINGS)
        collected = _flags_of(cls) & HAS_GC
        self.leaf = not collected or any(id(base) in _NEVER_ENTERED for base in bases)
        self.is_class = any(base is type for base in bases)
        names = {type_name(base) for base in bases}
        self.registry = not names.isdisjoint(_REGISTRIES)
        """An event loop or a selector: what waits is registered there, whoever else holds it."""
        self.task = not names.isdisjoint(_TASKS)
        self.head_bytes = GC_HEAD_BYTES if collected else 0
        self.sizeof = _sizeof(bases)


class Kinds:
    """The kinds of the types met. By address, because a metaclass may forbid to hash its classes."""

    def __init__(self) -> None:
        self.met: dict[int, Kind] = {}

    def of(self, thing: Any) -> Kind:
        """Return what is known of the type of ``thing``."""
        cls = type(thing)
        kind = self.met.get(id(cls))
        if kind is None:
            kind = self.met[id(cls)] = Kind(cls)
        return kind

    def bytes_of(self, thing: Any) -> int:
        """Return its own size in bytes, as ``sys.getsizeof`` would; no Python code of it is run."""
        kind = self.of(thing)
        return kind.head_bytes + kind.sizeof(thing)


def referents(thing: Any) -> list[Any]:
    """Return what an object refers to; of the module ``_asyncio`` what its names do.

    CPython 3.12.0 to 3.12.5 (gh-122695) would return the freed iterators in the module's free list, and free them a
    second time afterwards: the list gets a cycle, and the next full collection never ends.
    """
    if thing is sys.modules.get("_asyncio"):
        return list(vars(thing).values())
    return gc.get_referents(thing)


def entries_of(thing: Any, kind: Kind, most: int) -> list[Any]:
    """Return at most about ``most`` entries, evenly spaced; of a mapping (key, value); of no container its referents.

    Empty where the target changes it all the time. They are a prime number apart: in step with what repeats in the
    container, all would be of one sort.
    """
    if kind.length is None or kind.iterate is None:
        return referents(thing)[:most]
    for _ in range(ATTEMPTS):
        stride = prime_from(-(-kind.length(thing) // most))
        try:
            return list(islice(kind.iterate(thing), None, None, stride))
        except RuntimeError:  # it was changed meanwhile
            continue
    return []


def prime_from(number: int) -> int:
    """Return the first prime that is not below ``number``; 1 for numbers up to 1."""
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return max(1, number)


def attributes_of(thing: Any) -> dict[Any, Any] | None:
    """Return the ``__dict__`` of an instance itself, None where it has none.

    Since Python 3.11 this makes the dict where there were only values, so ask for few objects.
    """
    for base in mro_of(type(thing)):
        descriptor = names_of(base).get("__dict__")
        if is_one_of(type(descriptor), (types.GetSetDescriptorType, types.MemberDescriptorType)):
            try:
                attributes = descriptor.__get__(thing)
            except (AttributeError, TypeError):
                return None
            return attributes if type(attributes) is dict else None
    return None


def attribute_of(thing: Any, name: str) -> Any:
    """Return an attribute that a class of Python's own library gives its objects; None where it is not there.

    No ``__getattr__`` of the target is asked, and no dict is made where there are only values.
    """
    try:
        return object.__getattribute__(thing, name)
    except AttributeError:
        return None


def members_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of its slots, and of what C types show like slots: ``__self__``, ``func``."""
    for base in mro_of(type(thing)):
        for name, descriptor in list(names_of(base).items()):
            if type(descriptor) is types.MemberDescriptorType and type(name) is str:
                try:
                    yield name, descriptor.__get__(thing)
                except (AttributeError, TypeError):
                    continue  # an empty slot


def _sizeof(bases: tuple[type, ...]) -> Callable[[Any], int]:
    for base in bases:
        sizeof = names_of(base).get("__sizeof__")
        if type(sizeof) is types.MethodDescriptorType:  # of C, not of the target's Python
            return sizeof
    return object.__sizeof__
