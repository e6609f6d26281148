"""What the path to a holder is called; no socket, no other process."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from soak_probe.holders import walk
from soak_probe.holders.asyncio_objects import function_name
from soak_probe.holders.who import Suspect, who

from tests.support.planted_holders import BUDGET_S, Holder, path_to, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


class Slotted:
    __slots__ = ("kept",)

    def __init__(self, kept: Any) -> None:
        self.kept = kept


class Hostile:
    """Refuses everything that a look at it could call."""

    def __init__(self, kept: Any) -> None:
        object.__setattr__(self, "kept", kept)

    def _refuse(self, *_arguments: object) -> Any:
        raise AssertionError("the target's code was run")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = __iter__ = __bool__ = _refuse
    __getattr__ = __getattribute__ = __sizeof__ = _refuse
    __class__ = property(_refuse)


class HostileMeta(type):
    def _refuse(cls, *_arguments: object) -> Any:
        raise AssertionError("the target's code was run")

    __eq__ = __hash__ = __repr__ = __instancecheck__ = __subclasscheck__ = _refuse


class HostileList(list[Any]):
    """A list that says nothing of itself."""

    def _refuse(self, *_arguments: object) -> Any:
        raise AssertionError("the target's code was run")

    __len__ = __iter__ = __getitem__ = __sizeof__ = __eq__ = __contains__ = _refuse


def _closure(kept: Any) -> Any:
    def reads() -> Any:
        return kept

    return reads


def _class_with(kept: Any) -> type:
    return type("Cart", (), {"items": kept, "__module__": "shop"})


def _generator(kept: Any) -> Any:
    def yields() -> Iterator[Any]:
        mine = kept
        yield mine
        yield kept

    made = yields()
    next(made)
    return made


def _state(kept: Any) -> Any:
    state = type("State", (), {"__module__": "starlette.datastructures"})()
    state._state = {"cache": kept}
    return state


PATHS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a list of a module": (lambda kept: kept, "shop.x"),
    "an attribute": (Holder, "shop.x.kept"),
    "an attribute of an attribute": (lambda kept: Holder(Holder(kept)), "shop.x.kept.kept"),
    "a slot": (Slotted, "shop.x.kept"),
    "a key": (lambda kept: {"orders": kept}, 'shop.x["orders"]'),
    "a number as key": (lambda kept: {7: kept}, "shop.x[7]"),
    "a key that may be a secret": (lambda kept: {"k-9f8e7d6c5b": kept}, "shop.x[…]"),
    "a long key": (lambda kept: {"a" * 41: kept}, "shop.x[…]"),
    "a key with a number that may identify": (lambda kept: {"user123456": kept}, "shop.x[…]"),
    "a key of the target's own class": (lambda kept: {Holder(): kept}, "shop.x[…]"),
    "an item": (lambda kept: [1, 2, (3, kept)], "shop.x[2][1]"),
    "an item of a deque": (lambda kept: deque([0, kept]), "shop.x[1]"),
    "an ordered dict": (lambda kept: OrderedDict(a=0, b=kept), 'shop.x["b"]'),
    "a member of a set": (lambda kept: {Slotted(kept)}, "shop.x{…}.kept"),
    "a closure": (_closure, "shop.x<closure kept of _closure.reads>"),
    "a class": (_class_with, "shop.x.items"),
    "a bound method": (lambda kept: Holder(kept).method, "shop.x.__self__.kept"),
    "a partial": (lambda kept: partial(print, kept), "shop.x.args[0]"),
    "a suspended generator": (_generator, "shop.x<_generator.yields() local mine>"),
    "Starlette's state": (_state, "shop.x.cache"),
    "an object that refuses everything": (Hostile, "shop.x.kept"),
    "a list that says nothing": (lambda kept: HostileList([kept]), "shop.x[0]"),
    "an object of a class that refuses": (
        HostileMeta("Odd", (), {"__init__": Holder.__init__}),
        "shop.x.kept",
    ),
}
"""What stands under the name x of the module shop, and the path that is to be written."""


class TestPaths:
    @pytest.mark.parametrize("name", PATHS)
    def test_the_path_is_written_as_a_person_would(self, name: str) -> None:
        """Every way in which one object holds another has its words; no code of the target is run for it."""
        build, expected = PATHS[name]
        kept: list[Any] = [[0]]
        address = id(kept)
        with program(x=build(kept)):
            del kept
            assert path_to(address) == expected

    def test_a_dict_that_the_collector_does_not_track_is_found(self) -> None:
        """A flat dict is in no list of the collector, but the walk comes by."""
        cache = {"a": 1, "b": 2}
        address = id(cache)
        with program(x=Holder(cache)):
            del cache
            assert path_to(address, "builtins.dict") == "shop.x.kept"

    def test_a_pending_task_holds_by_its_local_variable(self) -> None:
        """The path names the task's coroutine function and the variable."""
        addresses: list[int] = []

        async def worker() -> None:
            items = [[0]]
            addresses.append(id(items))
            await asyncio.sleep(60)

        async def main() -> str:
            task = asyncio.create_task(worker())
            await asyncio.sleep(0)
            path = await asyncio.to_thread(path_to, addresses[0])
            task.cancel()
            return path

        path = asyncio.run(main())
        assert path.startswith(f"task {__name__}.")
        assert path.endswith("worker() local items")

    def test_a_thread_holds_by_its_local_variable(self) -> None:
        """The path names the thread and the function."""
        addresses: list[int] = []
        planted, ended = threading.Event(), threading.Event()

        def run() -> None:
            items = [[0]]
            addresses.append(id(items))
            planted.set()
            ended.wait(10)
            items.clear()

        thread = threading.Thread(target=run, name="pump")
        thread.start()
        planted.wait(10)
        path = path_to(addresses[0])
        ended.set()
        thread.join()
        assert path.startswith("thread pump: ")
        assert path.endswith("run() local items")

    @pytest.mark.parametrize("seen", [2.0, 0.9])
    def test_a_module_says_more_than_a_local_variable(
        self, monkeypatch: pytest.MonkeyPatch, seen: float
    ) -> None:
        """A request that is being served has the same thing at hand, by a shorter path.

        That holds also for a program of which only nine tenths may be visited.
        """
        kept: list[Any] = [[0]]
        stock = [[[number] for number in range(500)] for _ in range(20)]

        async def serve(mine: Any) -> None:
            await asyncio.sleep(60)
            mine.clear()

        async def main() -> str:
            task = asyncio.create_task(serve(kept))
            await asyncio.sleep(0)
            everything = await asyncio.to_thread(who, [Suspect(8, "builtins.list", 0)], BUDGET_S)
            monkeypatch.setattr(walk, "MOST_OBJECTS", int(seen * everything["visited"]))
            path = await asyncio.to_thread(path_to, id(kept))
            task.cancel()
            return path

        with program(app=Holder(Holder(Holder(kept))), stock=stock):
            assert asyncio.run(main()) == "shop.app.kept.kept.kept"

    def test_what_a_task_alone_holds_is_found_in_a_part_of_the_program(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its local variables start late, but before what may be visited is used up."""
        stock = [[[[number]] for number in range(500)] for _ in range(40)]

        async def serve() -> None:
            mine = [[0]]
            addresses.append(id(mine))
            await asyncio.sleep(60)

        async def main() -> str:
            task = asyncio.create_task(serve())
            await asyncio.sleep(0)
            path = await asyncio.to_thread(path_to, addresses[0])
            task.cancel()
            return path

        addresses: list[int] = []
        with program(stock=stock):
            everything = who([Suspect(8, "builtins.list", 0)], BUDGET_S)["visited"]
            monkeypatch.setattr(walk, "MOST_OBJECTS", everything // 2)
            assert asyncio.run(main()).endswith("serve() local mine")

    def test_what_runs_the_program_says_more_than_a_task_that_ends(self) -> None:
        """An application that a function made is held by its caller in the main thread, by a longer path."""
        app = Holder(Holder(Holder([[0]])))

        async def serve(mine: Any) -> None:
            await asyncio.sleep(60)
            mine.clear()

        async def main() -> str:
            kept = app.kept.kept.kept
            task = asyncio.create_task(serve(kept))
            await asyncio.sleep(0)
            address = id(kept)
            del kept
            path = await asyncio.to_thread(path_to, address)
            task.cancel()
            return path

        def serve_all(application: Holder) -> str:
            path = asyncio.run(main())
            return path if application is app else ""

        assert serve_all(app) == (
            f"thread MainThread: {function_name(serve_all.__code__)} local application.kept.kept.kept"
        )

    def test_the_queues_of_the_event_loop_are_the_last_way(self) -> None:
        """A longer path that avoids them is written; where there is none, theirs is."""
        kept: list[Any] = [[0]]
        address = id(kept)
        deep = Holder(Holder(Holder(Holder(Holder(Holder(kept))))))
        loop = asyncio.new_event_loop()
        loop.call_later(60, print, kept)
        with program(loop=loop, z=deep) as module:
            del kept, deep
            assert path_to(address) == "shop.z.kept.kept.kept.kept.kept.kept"
            del module.z
            assert path_to(address) == "shop.loop._scheduled[0]._args[0]"
        loop.close()

    def test_the_way_back_avoids_the_queues_of_the_event_loop(self) -> None:
        """Objects of a type that are kept, and wait as well."""
        rows = [Slotted(number) for number in range(3_000)]
        loop = asyncio.new_event_loop()
        for row in rows:
            loop.call_soon(print, row)
        with program(loop=loop, rows=rows):
            answer = who([Suspect(0, f"{__name__}.Slotted", 3_000)], BUDGET_S)["holders"][0]
        loop.close()
        assert answer["holder"].startswith("shop.rows[")

    def test_the_shortest_path_wins(self) -> None:
        """Of two ways the one with fewer steps is written."""
        kept: list[Any] = [[0]]
        address = id(kept)
        with program(a=Holder(Holder(kept)), z=Holder(kept)):
            del kept
            assert path_to(address) == "shop.z.kept"

    def test_the_module_of_the_class_is_preferred(self) -> None:
        """An object that two modules have under a name belongs to the one where its class lives."""
        held = _class_with(None)()
        held.items = kept = [[0]]
        address = id(kept)
        del kept
        other = types.ModuleType("aaa")
        other.__file__ = "/srv/aaa.py"
        vars(other)["imported"] = held
        sys.modules["aaa"] = other
        try:
            with program(cart=held):
                assert path_to(address) == "shop.cart.items"
        finally:
            del sys.modules["aaa"]

    def test_what_lies_in_a_large_container_is_found(self) -> None:
        """Large containers are gone into when all else is done."""
        rows: list[Any] = [[i] for i in range(5_000)]
        kept: list[Any] = [[0]]
        rows[4_321] = Holder(kept)
        address = id(kept)
        with program(rows=rows):
            del kept, rows
            assert path_to(address) == "shop.rows[4321].kept"

    def test_a_weak_reference_is_no_holder(self) -> None:
        """What only a weak reference leads to, and a circle keeps alive, has no path."""
        circle = Holder()
        circle.kept = circle
        address = id(circle)
        gc.disable()
        try:
            with program(x=weakref.ref(circle)):
                del circle
                answer = who([Suspect(address, f"{Holder.__module__}.Holder", 1)], BUDGET_S)["holders"][0]
        finally:
            gc.enable()
        assert (answer["holder"], answer["state"]) == ("", "cycle")
