"""Holds a known number of objects and says which; runs on any Python. It works off orders from its standard input."""

from __future__ import annotations

import builtins
import gc
import itertools
import json
import sys
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any


class Plain:
    def __init__(self, number: int) -> None:
        self.number = number
        self.other = None


class Slotted:
    __slots__ = ("a", "b")


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    pass


class Text(str):
    __slots__ = ()  # a dict's place is no part of getsizeof


class Number(int):
    __slots__ = ()  # a dict's place is no part of getsizeof


class Row(tuple[object, ...]):
    pass


class Box(list[object]):
    pass


class Table(dict[object, object]):
    pass


class Group(set[object]):
    pass


class Line(deque[object]):
    pass


class Ordered(OrderedDict[object, object]):
    pass


class Raw(bytearray):
    pass


class FirstIsAClass:
    def __init__(self) -> None:
        self.kind = Slotted


def outer() -> type:
    class Inner:
        pass

    return Inner


Inner = outer()
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
MAKERS: dict[str, Callable[[int], Any]] = {
    "__main__.Plain": Plain,
    "__main__.Slotted": lambda _: Slotted(),
    "__main__.WithMeta": lambda _: WithMeta(),
    "__main__.Text": lambda i: Text("x" * (i % 300)),
    "__main__.Number": lambda i: Number(1 << (i % 300)),
    "__main__.Row": lambda i: Row((Slotted,) * (i % 9)),
    "__main__.Box": lambda i: Box(range(i % 40)),
    "__main__.Table": lambda i: Table.fromkeys(range(i % 70)),
    "__main__.Group": lambda i: Group(range(i % 40)),
    "__main__.Line": lambda i: Line(range(i % 200)),
    "__main__.Ordered": lambda i: Ordered.fromkeys(range(i % 20)),
    "__main__.Raw": lambda i: Raw(i % 200),
    "__main__.FirstIsAClass": lambda _: FirstIsAClass(),
    "__main__.outer.<locals>.Inner": lambda _: Inner(),
}


def size_of(thing: Any) -> int:
    """Return the bytes of an object; since 3.15 the buffer of a bytearray is an object of its own."""
    buffer = thing.__alloc__() if sys.version_info >= (3, 15) and isinstance(thing, bytearray) else 0
    return sys.getsizeof(thing) - buffer


def truth(kept: dict[str, list[Any]]) -> dict[str, dict[str, int]]:
    return {
        name: {"objects": len(objects), "bytes": sum(map(size_of, objects))} for name, objects in kept.items()
    }


def main() -> None:
    threading.Thread(
        target=threading.Event().wait, daemon=True
    ).start()  # a second malloc arena, another stack
    kept = {name: [make(i) for i in range(COUNT)] for name, make in MAKERS.items()}
    tuples_of_classes = [(Slotted, i) for i in range(COUNT)]
    strings = [chr(230 + i % 2000) * (i % 50) for i in range(COUNT)]
    long: dict[str, Any] = {
        "builtins.list": list(range(3001)),
        "builtins.dict": {str(i): i for i in range(3002)},
        "builtins.set": set(range(3003)),
        "collections.deque": deque(range(3004)),
        "collections.OrderedDict": OrderedDict.fromkeys(range(3005)),
        "__main__.Box": Box(range(3006)),
        "__main__.Table": Table.fromkeys(range(3007)),
    }
    if sys.version_info >= (3, 15):
        long["builtins.frozendict"] = vars(builtins)["frozendict"].fromkeys(range(3008))
    kept["__main__.Box"].append(long["__main__.Box"])
    kept["__main__.Table"].append(long["__main__.Table"])
    gc.disable()
    for order in itertools.chain(["start"], iter(sys.stdin.readline, "")):
        if order == "free\n":  # nine of ten, at random places, and tuples that begin with a class
            for objects in kept.values():
                del objects[: COUNT * 9 // 10]
            del tuples_of_classes[::2]
        print(
            json.dumps(
                {
                    "tracked": Counter(
                        f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects()
                    ),
                    "types": truth(kept),
                    "containers": {name: [id(thing), len(thing)] for name, thing in long.items()},
                    "str_bytes": sum(map(sys.getsizeof, strings)),
                }
            ),
            flush=True,
        )


main()
