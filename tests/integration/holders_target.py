"""Hangs containers on everything there is and says where they lie; runs on any Python, until its input ends.

With the argument "running" the main task itself runs until then; else it waits.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import multiprocessing  # noqa: F401 - it gives __main__ another name
import sys
import threading
from collections import deque
from typing import Any, ClassVar


class Shelf:
    """Has a class attribute, and an attribute of each object."""

    labels: ClassVar[list[int]] = list(range(70))

    def __init__(self) -> None:
        self.cache = {number: {"value": number} for number in range(3_000)}


class Slotted:
    __slots__ = ("data",)
    data: dict[str, int]


class Link:
    other: Any = None


def make_reader() -> Any:
    remembered = [0] * 80

    def read() -> list[int]:
        return remembered

    return read


async def job() -> None:
    pass


async def worker(where: dict[str, int]) -> None:
    items = [[0] for _ in range(1_500)]
    where["task"] = id(items)
    await asyncio.sleep(600)


def pump(where: dict[str, int], ended: threading.Event) -> None:
    backlog = deque(range(90))
    where["thread"] = id(backlog)
    ended.wait()
    backlog.clear()


HISTORY = [{"n": number} for number in range(2_000)]
TABLES = {"orders": {"rows": [1] * 50}, "k-1234567890": [2] * 60}
SHELVES = {"first": Shelf()}
FLAT = Slotted()
FLAT.data = {"one": 1}
READER = make_reader()
CALL = functools.partial(print, [9] * 40)
TASKS: set[Any] = set()
CLASSES = [type("Made", (Slotted,), {}) for _ in range(60)]
GARBAGE_COUNT = 30


def subclasses_of(cls: type) -> int:
    """Return the address of the dict that C keeps of the subclasses."""
    known = set(map(id, cls.__subclasses__()))
    return next(id(thing) for thing in gc.get_objects() if type(thing) is dict and known <= thing.keys())


async def rest(where: dict[str, int], running: bool) -> None:
    pages = [[0] for _ in range(1_200)]
    where["awaited"] = id(pages)
    print(json.dumps(where), flush=True)
    if running:
        sys.stdin.readline()
    else:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    pages.clear()


async def main() -> None:
    gc.disable()
    where = {
        "module": id(HISTORY),
        "key": id(TABLES["orders"]["rows"]),  # type: ignore[index]
        "secret key": id(TABLES["k-1234567890"]),
        "attribute": id(SHELVES["first"].cache),
        "class": id(Shelf.labels),
        "slot": id(FLAT.data),
        "closure": id(READER()),
        "partial": id(CALL.args[0]),
        "tasks": id(TASKS),
        "classes": id(CLASSES),
        "subclasses": subclasses_of(Slotted),
    }
    ended = threading.Event()
    threading.Thread(target=pump, args=(where, ended), name="pump", daemon=True).start()
    pending = asyncio.ensure_future(worker(where))
    for _ in range(2_000):
        TASKS.add(asyncio.get_running_loop().create_task(job()))
    for _ in range(GARBAGE_COUNT):
        one, other = Link(), Link()
        one.other, other.other = other, one
    del one, other
    await asyncio.wait(TASKS)  # the worker began before them
    await rest(where, running="running" in sys.argv)
    ended.set()
    pending.cancel()


asyncio.run(main())
