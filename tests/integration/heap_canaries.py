"""Holds known numbers of objects of many sorts and prints how many; runs on any Python.

A line of standard input is ``make``, ``free``, ``churn`` or ``drop``, and the sorts it is about: names, ``parts`` for
WITH_PARTS, SORTS for none.
"""

from __future__ import annotations

import builtins
import collections
import dataclasses
import datetime
import decimal
import functools
import gc
import itertools
import json
import random
import sys
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


class Node:
    pass


class Slots0:
    __slots__ = ()


class Slots1:
    __slots__ = ("a",)


class Slots3:
    __slots__ = ("a", "b", "c")


class Slots9:
    __slots__ = tuple("abcdefghi")


class Weak:
    __slots__ = ("__weakref__", "a")


class DictChild(dict[object, object]):
    pass


class TupleChild(tuple[object, ...]):
    __slots__ = ()


class StrChild(str):
    __slots__ = ()


class IntChild(int):
    __slots__ = ()


class Pair(NamedTuple):
    a: object
    b: object


@dataclasses.dataclass(slots=True)
class Data:
    a: object
    b: object
    c: object


class Failure(Exception):  # noqa: N818 - any name will do
    pass


def closure(value: int) -> Callable[[], int]:
    return lambda: value  # an annotation is a function of its own since 3.14


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None:
    pass


async def async_generator() -> AsyncIterator[int]:
    yield 1


REFERENT = Weak()
BUFFER = bytes(100)
SHARED = [None]
SHARED_DICT: dict[str, int] = {}


def _strings(character: str) -> Callable[[int], Any]:
    return lambda i: character * (2 + i % 59)


MAKERS: dict[str, Callable[[int], Any]] = {
    "str_digits": lambda i: str(100 + i),
    "str_ascii": _strings("x"),
    "str_latin1": _strings("é"),
    "str_ucs2": _strings("ж"),
    "str_ucs4": _strings("😀"),
    "str_1_ucs2": lambda i: chr(0x416 + i % 100),
    "str_large": lambda i: "x" * (500 + i % 700),
    **{f"str_{size}": lambda _, size=size: "y" * size for size in (2, 7, 8, 15, 16, 23, 24, 40, 60)},  # type: ignore[misc]
    **{f"str_wide_{size}": lambda _, size=size: "ж" * size for size in (2, 3, 4, 8, 12)},  # type: ignore[misc]
    "str_child": lambda i: StrChild("x" * (i % 60)),
    "bytes": lambda i: bytes(2 + i % 59),
    "bytes_16": lambda _: bytes(16),
    "bytes_large": lambda i: bytes(500 + i % 700),
    "int_1_digit": lambda i: 10_000 + i,
    "int_2_digits": lambda i: (1 << 40) + i,
    "int_long": lambda i: -(1 << (30 + i % 600)),
    "int_child": lambda i: IntChild(1 << (i % 300)),
    "float": lambda i: i + 0.5,
    "complex": lambda i: complex(i, 1),
    "tuple": lambda i: (i < 0,) * (1 + i % 20),
    **{f"tuple_{size}": lambda i, size=size: (i < 0,) * size for size in (1, 2, 3, 4, 5, 8, 20)},  # type: ignore[misc]
    "tuple_of_class": lambda i: (bytearray, None, bytearray)[: 1 + i % 3],
    "tuple_of_generator": lambda i: tuple(None for _ in range(1 + i % 20)),
    "tuple_child": lambda i: TupleChild((None,) * (i % 20)),
    "namedtuple": lambda _: Pair(None, None),
    "list": lambda i: [None] * (i % 20),
    "list_appended": lambda i: list(None for _ in range(i % 20)),  # noqa: C400 - it grows so
    "dict": lambda i: dict.fromkeys(range(i % 20)),
    "dict_child": lambda i: DictChild.fromkeys(range(i % 20)),
    "defaultdict": lambda i: collections.defaultdict(list, dict.fromkeys(range(i % 20))),
    **(
        {"frozendict": lambda i: vars(builtins)["frozendict"].fromkeys(range(i % 20))}
        if sys.version_info >= (3, 15)
        else {}
    ),
    "counter": lambda i: collections.Counter(range(i % 5)),
    "ordered_dict": lambda i: collections.OrderedDict.fromkeys(range(i % 20)),
    "set": lambda i: set(range(i % 40)),
    "frozenset": lambda i: frozenset(range(1 + i % 40)),
    "deque": lambda i: collections.deque(range(i % 100)),
    "bytearray": lambda i: bytearray(i % 100),
    "bytearray_large": lambda _: bytearray(1000),
    "plain": lambda _: Node(),
    "slots_0": lambda _: Slots0(),
    "slots_1": lambda _: Slots1(),
    "slots_3": lambda _: Slots3(),
    "slots_9": lambda _: Slots9(),
    "weak_slots": lambda _: Weak(),
    "exception": lambda _: Failure(),
    "closure": lambda _: closure(1),
    "partial": lambda _: functools.partial(generator),
    "method": lambda _: types.MethodType(len, BUFFER),
    "builtin_method": lambda _: BUFFER.hex,
    "generator": lambda _: generator(),
    "coroutine": lambda _: coroutine(),
    "async_generator": lambda _: async_generator(),
    "class": lambda i: type("Made", (), {"__slots__": ("a", "b")[: i % 3]}),
    "weakref": lambda _: weakref.ref(REFERENT, id),
    "memoryview": lambda _: memoryview(BUFFER)[1:],
    "iterator": lambda _: iter(SHARED),
    "map": lambda _: map(len, ()),
    "zip": lambda _: zip((), ()),  # noqa: B905
    "enumerate": lambda _: enumerate(()),
    "range": lambda i: range(i % 200),
    "slice": lambda i: slice(None, None, i < 0),
    "property": lambda _: property(),
    "staticmethod": lambda _: staticmethod(len),
    "mapping_proxy": lambda _: types.MappingProxyType(SHARED_DICT),
    "datetime": lambda i: datetime.datetime(2000, 1, 1 + i % 28),  # noqa: DTZ001
    "timedelta": datetime.timedelta,
    "dataclass": lambda _: Data(None, None, None),
    "decimal": decimal.Decimal,
}
if sys.version_info >= (3, 15):
    MAKERS["frozendict"] = lambda i: vars(builtins)["frozendict"].fromkeys(range(i % 20))
WITH_PARTS = ["class", "closure", "partial", "map", "zip", "enumerate", "staticmethod"]
"""Sorts whose making makes objects of other sorts, too: counted apart from these."""
SORTS = [sort for sort in MAKERS if sort not in WITH_PARTS]


def truth(kept: list[list[Any]]) -> dict[str, list[int]]:
    """Return objects and bytes by type, of the lists that hold them too."""
    found: dict[str, list[int]] = {}
    for thing in itertools.chain(kept, *kept):
        kind = type(thing)
        entry = found.setdefault(f"{kind.__module__}.{kind.__qualname__}", [0, 0])
        entry[0] += 1
        entry[1] += sys.getsizeof(thing)
        if sys.version_info >= (3, 15) and isinstance(
            thing, bytearray
        ):  # its buffer is an object of type bytes
            buffer = found.setdefault("builtins.bytes", [0, 0])
            buffer[0] += thing.__alloc__() > 0
            buffer[1] += thing.__alloc__()
            entry[1] -= thing.__alloc__()
    return found


def main() -> None:
    nothing: list[Any] = []
    kept = dict.fromkeys(MAKERS, nothing)  # of one size, whatever is made
    random.seed(7)
    for line in iter(sys.stdin.readline, ""):
        order, *sorts = line.split()
        if sorts == ["parts"]:
            sorts = WITH_PARTS
        if order == "drop":
            kept.update(dict.fromkeys(MAKERS, nothing))
        for sort in [] if order == "drop" else sorts or SORTS:
            make = MAKERS[sort]
            things = kept[sort] = kept[sort] or [None] * COUNT
            if order == "make":
                for i in range(COUNT):
                    things[i] = make(i)
            elif order == "free":  # nine of ten, at random places
                kept[sort] = random.sample(things, COUNT // 10)
            things = []
        if order == "churn":  # blocks of one sort are reused by others, many times
            names = sorts or SORTS
            for name in names:
                kept[name] = kept[name] + [None] * (COUNT - len(kept[name]))
            for i in range(20 * COUNT):
                name = random.choice(names)
                kept[name][random.randrange(COUNT)] = MAKERS[name](i)
            for name in names:
                kept[name] = [thing for thing in kept[name] if thing is not None]
        gc.collect()
        print(json.dumps(truth([things for things in kept.values() if things])), flush=True)


main()
