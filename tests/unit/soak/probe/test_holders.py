"""Who holds it: planted holders in this process, and what must not be disturbed. No socket, no other process."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from soak_probe import creations
from soak_probe.answers import Answers
from soak_probe.holders import objects, roots, walk
from soak_probe.holders import who as holders
from soak_probe.holders.climb import state_of
from soak_probe.holders.objects import Kinds
from soak_probe.holders.retained import Retention
from soak_probe.holders.who import Suspect, who
from soak_probe.sessions import Sessions

pytestmark = pytest.mark.slow  # each walks all objects of the process of the tests

BUDGET_S = 20.0


class Holder:
    """What a program hangs things on."""

    kept: Any

    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def method(self) -> None:
        """Be bound."""


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


@contextmanager
def program(**names: Any) -> Iterator[types.ModuleType]:
    """Have a module ``shop`` of the target with these names."""
    module = types.ModuleType("shop")
    module.__file__ = "/srv/shop.py"
    vars(module).update(names)
    sys.modules["shop"] = module
    try:
        yield module
    finally:
        del sys.modules["shop"]


def ask(*things: Any) -> list[dict[str, Any]]:
    """Return what the probe says of these objects, through JSON as a client gets it."""
    suspects = [Suspect(id(thing), Kinds().of(thing).name, 0) for thing in things]
    answers: list[dict[str, Any]] = json.loads(json.dumps(who(suspects, BUDGET_S)))["holders"]
    return answers


def path_to(address: int, kind: str = "builtins.list") -> str:
    """Return the path to an object of which only the address is known here."""
    answer: str = who([Suspect(address, kind, 0)], BUDGET_S)["holders"][0]["holder"]
    return answer


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


@pytest.fixture(autouse=True)
def few_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start where things are planted: all that a test process has loaded would be walked in each test."""

    def planted(own_thread: int) -> list[roots.Root]:
        found = roots.find_roots(own_thread)
        return [
            root
            for root in found
            if root.label in ("shop", "aaa") or "thread pump" in root.label or "task" in root.label
        ]

    monkeypatch.setattr(holders, "find_roots", planted)
    monkeypatch.setattr(holders, "hidden_names", lambda: [*roots.hidden_names(), globals()])


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
        monkeypatch.setattr(walk, "MOST_OBJECTS", 10_000_000)
        everything = who([Suspect(8, "builtins.list", 0)], BUDGET_S)["visited"]
        monkeypatch.setattr(walk, "MOST_OBJECTS", int(seen * everything))
        kept: list[Any] = [[0]]

        async def serve(mine: Any) -> None:
            await asyncio.sleep(60)
            mine.clear()

        async def main() -> str:
            task = asyncio.create_task(serve(kept))
            await asyncio.sleep(0)
            path = await asyncio.to_thread(path_to, id(kept))
            task.cancel()
            return path

        with program(app=Holder(Holder(Holder(kept)))):
            assert asyncio.run(main()) == "shop.app.kept.kept.kept"

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
                answer = who([Suspect(address, f"{__name__}.Holder", 1)], BUDGET_S)["holders"][0]
        finally:
            gc.enable()
        assert (answer["holder"], answer["state"]) == ("", "cycle")


class Grown:
    """One of those whose number grows."""

    def __init__(self) -> None:
        self.other: Any = None


class TestTypes:
    def answer(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = who([Suspect(0, f"{__name__}.Grown", count)], BUDGET_S)["holders"][0]
        return found

    def test_objects_in_a_container_are_named_by_it(self) -> None:
        """A type that grows is where its youngest objects are, also in a container that is too large to be walked."""
        with program(seen={number: Grown() for number in range(3_000)}):
            answer = self.answer(3_000)
        assert answer["holder"].startswith("shop.seen[")
        assert answer["retained_whole"] == 0
        assert answer["retained_bytes"] > 3_000 * 30  # from Python 3.13 on an object has no dict of its own
        assert {entry["type"] for entry in answer["entries"]} == {f"{__name__}.Grown"}

    def test_few_of_many_say_nothing_of_the_others(self) -> None:
        """The collector lists no tuple of words: where it lists a third of a type, those that grow may be the rest."""
        with program(seen=[Grown() for _ in range(3_000)]):
            assert self.answer(9_000) == {
                "address": 0,
                "type": f"{__name__}.Grown",
                "length": 9_000,
                "holder": "",
            }

    def test_objects_that_only_refer_to_each_other_are_cycles(self) -> None:
        """Garbage that the collector has not come to is told from what is kept."""
        gc.disable()
        try:
            for _ in range(10):
                one, other = Grown(), Grown()
                one.other, other.other = other, one
            del one, other
            answer = self.answer(20)
        finally:
            gc.enable()
            gc.collect()
        assert (answer["holder"], answer["state"]) == ("", "cycle")

    def test_a_reference_lost_in_native_code_is_told(self) -> None:
        """An object with a reference more than objects have to it is held by nobody who could be named."""
        import ctypes

        lost = Grown()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
        address = id(lost)
        del lost
        answer = self.answer(1)
        again = ctypes.cast(address, ctypes.py_object).value
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(again))
        assert (answer["holder"], answer["state"]) == ("", "unreferenced")

    def test_a_type_without_objects_has_no_answer(self) -> None:
        """Nothing is made up for a type that is not there."""
        answer = who([Suspect(0, "shop.Nothing", 9)], BUDGET_S)["holders"][0]
        assert answer == {"address": 0, "type": "shop.Nothing", "length": 9, "holder": ""}


class TestStateOf:
    def test_a_closed_circle_is_a_cycle(self) -> None:
        """References that the objects have to each other are all there are."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        closed = [one, other]
        del one, other
        assert state_of(closed) == "cycle"

    def test_a_circle_that_somebody_holds_is_not(self) -> None:
        """One reference more, and it is no garbage."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        assert state_of([one, other]) == "unreferenced"


class TestRetained:
    def test_all_of_a_small_container_is_walked(self) -> None:
        """The bytes are those of sys.getsizeof over everything that hangs on it, each object once."""
        shared = "s" * 1_000
        kept = [{"a": b"x" * 500, "b": shared} for _ in range(50)]
        with program(x=kept):
            answer = ask(kept)[0]
        expected = sys.getsizeof(kept) + sys.getsizeof(shared) + sys.getsizeof("a") + sys.getsizeof("b")
        expected += sum(sys.getsizeof(entry) for entry in kept) + sys.getsizeof(kept[0]["a"])
        assert answer["retained_whole"] == 1
        assert answer["retained_bytes"] == pytest.approx(expected, abs=16 * 50)  # of the untracked, too

    def test_of_a_large_container_a_sample_is_walked(self) -> None:
        """20,000 entries of different bytes and one that all share: within 5% of the truth, and said to be no count."""
        shared = bytes(1_000_000)
        kept = [[bytes(1_000 + number % 100), shared] for number in range(20_000)]
        with program(x=kept):
            answer = ask(kept)[0]
        truth = sys.getsizeof(kept) + len(shared) + 20_000 * (72 + 33 + 1_049.5)
        assert answer["retained_whole"] == 0
        assert answer["retained_bytes"] == pytest.approx(truth, rel=0.05)

    def test_entries_with_weak_keys_are_told(self) -> None:
        """They stay for as long as somebody holds the keys; one that is keyed by a word is held by the dict itself."""
        keys = [Holder() for _ in range(50)]
        kept: Any = weakref.WeakKeyDictionary({key: [0] for key in keys})
        with program(x=kept):
            entries = ask(kept.data)[0]["entries"]
            kept.data["a"] = [0]
            mixed = ask(kept.data)[0]["entries"]
        assert [entry["state"] for entry in entries] == ["weak"] * 3
        assert not any("state" in entry for entry in mixed)

    def test_what_others_hold_too_does_not_count(self) -> None:
        """A reference to the program's own tables, classes and modules adds nothing."""
        tables = [bytes(1_000_000)]
        kept = [[tables, Holder, sys] for _ in range(100)]
        with program(tables=tables, x=kept):
            assert ask(kept)[0]["retained_bytes"] < 20_000

    def test_two_suspects_in_one_do_not_count_for_each_other(self) -> None:
        """What is a suspect itself is asked for by its own address."""
        inner, outer = [bytes(100_000)], [bytes(1_000)]
        with program(x=Holder(inner), y=[outer, inner]):
            assert [answer["retained_bytes"] < 2_000 for answer in ask(inner, outer)] == [False, True]

    def test_time_is_bounded(self) -> None:
        """A walk that is out of time is cut short and says so."""
        late = iter([0.0, *([10.0] * 100)])
        retention = Retention(Kinds(), lambda _thing: False, 20.0, lambda: next(late))
        assert not retention.of_container([[1], [2]]).whole

    def test_entries_have_types_and_sizes_and_no_values(self) -> None:
        """Whatever is in a container, none of it is in the answer."""
        kept = [{"password": "hunter2", "n": 4711}, "hunter2" * 5, {"hunter2"}]
        with program(x=kept):
            answer = ask(kept)[0]
        assert [entry["type"] for entry in answer["entries"]] == [
            "builtins.dict",
            "builtins.str",
            "builtins.set",
        ]
        assert "hunter2" not in json.dumps(answer)
        assert "4711" not in json.dumps(answer)


class TestTasks:
    @pytest.fixture
    def base_events(self, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        """A loop class of our own to be wrapped, and no places known yet."""
        monkeypatch.setattr(creations, "_sites", {})
        monkeypatch.setattr(creations, "_met", set())
        module: Any = types.ModuleType("asyncio.base_events")
        module.BaseEventLoop = type("Loop", (asyncio.SelectorEventLoop,), {})
        creations.watch_base_events(module)
        return module  # type: ignore[no-any-return]

    def test_finished_tasks_say_where_they_were_created(self, base_events: Any) -> None:
        """Coroutine, state and line of the entries of a set of finished tasks that is kept."""
        kept: set[asyncio.Task[None]] = set()

        async def job() -> None:
            pass

        async def main() -> dict[str, Any]:
            for _ in range(500):
                kept.add(asyncio.create_task(job()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return (await asyncio.to_thread(ask, kept))[0]

        with program(tasks=kept), asyncio.Runner(loop_factory=base_events.BaseEventLoop) as runner:
            answer = runner.run(main())
        line = main.__code__.co_firstlineno + 2
        assert answer["holder"] == "shop.tasks"
        assert len(answer["entries"]) == 3
        for entry in answer["entries"]:
            assert entry["type"] == "_asyncio.Task"
            assert entry["state"] == "finished"
            assert entry["coroutine"].endswith("job")
            assert entry["created"] == f"probe/{Path(__file__).name}:{line}"

    def test_what_most_of_the_tasks_are_comes_first(self) -> None:
        """Two thirds are finished, and the last that the walk comes to are not: these are shown, but second.

        What is rare is not shown.
        """
        kept: list[asyncio.Task[None] | asyncio.Event] = []

        async def job(waits: asyncio.Event | None = None) -> None:
            if waits is not None:
                await waits.wait()

        async def main() -> list[dict[str, Any]]:
            never = asyncio.Event()
            kept.extend(asyncio.create_task(job()) for _ in range(40))
            kept.extend(asyncio.create_task(job(never)) for _ in range(20))
            kept.append(never)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            entries: list[dict[str, Any]] = (await asyncio.to_thread(ask, kept))[0]["entries"]
            never.set()
            return entries

        with program(tasks=kept):
            entries = asyncio.run(main())
        assert [entry["state"] for entry in entries] == ["finished", "pending", "finished"]

    def test_places_are_bounded_and_hold_nothing(self, base_events: Any) -> None:
        """However many coroutine functions there are, a bounded number of texts is kept, and no task."""
        loop = base_events.BaseEventLoop()
        try:
            for number in range(creations.MOST_SITES + 50):
                names: dict[str, Any] = {}
                exec(f"async def job_{number}(): pass", names)  # noqa: S102 - many functions are the point
                task = loop.create_task(names[f"job_{number}"]())
                loop.run_until_complete(task)
            gone = weakref.ref(task)
            del task
        finally:
            loop.close()
        assert len(creations._sites) <= creations.MOST_SITES
        assert len(creations._met) <= creations.MOST_SITES
        assert gone() is None

    def test_create_task_takes_and_refuses_what_it_did(self, base_events: Any) -> None:
        """Name and context are passed on, and a coroutine that is none fails as before."""
        loop = base_events.BaseEventLoop()

        async def job() -> None:
            pass

        try:
            task = loop.create_task(job(), name="mine")
            loop.run_until_complete(task)
            assert task.get_name() == "mine"
            with pytest.raises(TypeError, match="a coroutine was expected"):
                loop.create_task(3)
        finally:
            loop.close()


class TestWho:
    def test_nothing_is_left_behind(self) -> None:
        """After an answer the process has the objects it had, with the collector switched off, too."""
        kept = [[number] for number in range(20_000)]
        with program(x=Holder(kept)):
            everything = [Suspect(id(kept), "builtins.list", 1), Suspect(0, f"{__name__}.Holder", 1)]
            who(everything, BUDGET_S)
            gc.collect()
            gc.disable()
            try:
                before = sys.getallocatedblocks()
                who(everything, BUDGET_S)
                assert not [thing for thing in gc.get_objects() if type(thing) is walk.Walk]
                assert gc.collect() == 0
                assert sys.getallocatedblocks() - before < 100
            finally:
                gc.enable()

    def test_no_local_variable_lives_longer_for_being_read(self) -> None:
        """A frame up to Python 3.12 keeps a copy of the variables it was asked for: it is emptied."""

        def works() -> Iterator[None]:
            mine = Holder()
            gone.append(weakref.ref(mine))
            yield
            del mine
            yield

        gone: list[weakref.ref[Holder]] = []
        working = works()
        next(working)
        assert working.gi_frame is not None  # type: ignore[attr-defined]
        assert objects.locals_of(working.gi_frame).keys() == {"mine", "gone"}  # type: ignore[attr-defined]
        next(working)
        assert gone[0]() is None

    def test_locals_that_the_target_uses_are_left_alone(self) -> None:
        """What a function got from ``locals()`` is its own."""

        def works() -> Iterator[Any]:
            mine = 3
            yield locals()
            yield mine

        working = works()
        used = next(working)
        objects.locals_of(working.gi_frame)  # type: ignore[attr-defined]
        assert used == {"mine": 3}

    def test_without_time_the_answer_is_partial_and_no_error(self) -> None:
        """A suspect that was not reached has no path, and is not said to be gone."""
        kept = [[0]]
        with program(x=Holder(kept)):
            answer = who([Suspect(id(kept), "builtins.list", 1)], 1e-9)
        assert answer["whole"] is False
        assert answer["holders"] == [
            {"address": id(kept), "type": "builtins.list", "length": 1, "holder": ""}
        ]

    def test_objects_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A container with more entries than may be visited is not gone into; the way back still finds it."""
        monkeypatch.setattr(walk, "MOST_OBJECTS", 20_000)
        rows: list[Any] = [[number] for number in range(50_000)]
        address = id(rows[40_000])
        with program(rows=rows):
            del rows
            answer = who([Suspect(address, "builtins.list", 1)], BUDGET_S)
        assert answer["holders"][0]["holder"] == "shop.rows[40000]"
        assert answer["whole"] is False
        assert answer["visited"] < 30_000

    def test_an_address_of_something_else_is_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where another object lies by now, nothing is said of it."""
        monkeypatch.setattr(walk, "MOST_OBJECTS", 10_000_000)  # other tests leave more than may be visited
        kept = [[0]]
        with program(x=kept):
            answer = who([Suspect(id(kept), "builtins.dict", 9), Suspect(8, "builtins.list", 9)], BUDGET_S)
        assert [holder["state"] for holder in answer["holders"]] == [holders.ABSENT, holders.ABSENT]

    def test_the_registry_of_tasks_is_known_without_a_walk(self) -> None:
        """It grows with every task that is kept, and is named in no time: its entries are weak, so it is no holder."""
        name = "_scheduled_tasks" if hasattr(asyncio.tasks, "_scheduled_tasks") else "_all_tasks"
        registry = getattr(asyncio.tasks, name).data

        async def ask() -> dict[str, Any]:
            kept = [asyncio.ensure_future(asyncio.sleep(0)) for _ in range(300)]
            await asyncio.gather(*kept)
            return who([Suspect(id(registry), "builtins.set", len(registry))], 1e-9)

        answer = asyncio.run(ask())
        (found,) = answer["holders"]
        assert found["holder"] == f"asyncio.tasks.{name}.data"
        assert answer["whole"] is False
        assert {entry["type"] for entry in found["entries"]} == {"weakref.ReferenceType"}

    def test_the_probes_own_are_no_finding(self) -> None:
        """The dict in which the probe counts sessions grows with them; it is told apart."""
        sessions = Sessions()
        answer = Answers(sessions).who(
            {
                "suspects": [{"address": id(sessions.kept()), "type": "builtins.dict", "length": 9}],
                "budget_s": 9,
            }
        )
        assert answer["holders"][0]["state"] == holders.PROBE

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({}, "suspects is not a list of at most 256"),
            ({"suspects": [{}] * 257, "budget_s": 1}, "suspects is not a list of at most 256"),
            ({"suspects": [], "budget_s": 0}, "budget_s 0 is not a number of seconds up to 60"),
            ({"suspects": [], "budget_s": True}, "budget_s True is not"),
            ({"suspects": [3], "budget_s": 1}, "a suspect is address"),
            (
                {"suspects": [{"address": "0x1", "type": "a", "length": 1}], "budget_s": 1},
                "a suspect is address",
            ),
        ],
    )
    def test_a_request_that_is_none_is_told_why(self, request_: dict[str, Any], message: str) -> None:
        """The answer names the field."""
        answer = json.loads(Answers(Sessions()).answer(json.dumps({"op": "who", **request_}).encode()))
        assert answer["ok"] is False
        assert message in answer["error"]
