"""What the probe answers about suspects, and what must not be disturbed; no socket, no other process."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from soak_probe.answers import Answers
from soak_probe.holders import roots, variables, walk
from soak_probe.holders import who as holders
from soak_probe.holders.who import Suspect, who
from soak_probe.sessions import Sessions

from tests.support.planted_holders import BUDGET_S, Holder, path_to, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


class Grown:
    """One of those whose number grows."""

    def __init__(self) -> None:
        self.other: Any = None


class TestTypes:
    def answer(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = who([Suspect(0, f"{__name__}.Grown", count)], BUDGET_S)["holders"][0]
        return found

    def test_objects_in_a_container_are_named_by_it(self) -> None:
        """A type that grows is where some of its objects are, also in a container that is too large to be walked."""
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

    @pytest.mark.parametrize(("kept", "state"), [(str, "untracked"), (tuple, None), (Grown, None)])
    def test_what_the_collector_never_lists_has_a_state(self, kept: type, state: str | None) -> None:
        """A str refers to nothing; of a tuple, which it may cease to list, and of what is gone, nothing is known."""
        name = f"{kept.__module__}.{kept.__qualname__}"
        with program(kept=kept):
            (answer,) = who([Suspect(0, name, 1 << 40)], BUDGET_S)["holders"]
        assert (answer["holder"], answer.get("state")) == ("", state)

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

    def test_a_reference_lost_in_native_code_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An object with a reference more than objects have to it is held by nobody who could be named."""
        import ctypes

        monkeypatch.delitem(sys.modules, "greenlet", raising=False)  # other tests may have left one suspended
        lost = Grown()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
        address = id(lost)
        del lost
        answer = self.answer(1)
        again = ctypes.cast(address, ctypes.py_object).value
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(again))
        assert (answer["holder"], answer["state"]) == ("", "unreferenced")

    def test_a_leak_in_many_small_lists_is_named_over_what_was_there_before(self) -> None:
        """Those that leak are young: no collection has come to them, which is where the program's first objects end."""
        catalog = [Grown() for _ in range(900)]
        gc.collect()
        gc.disable()
        try:
            users: dict[int, list[Grown]] = {number: [] for number in range(50)}
            for number in range(600):
                users[number % 50].append(Grown())
            with program(catalog=catalog, users=users):
                answer = self.answer(1_500)
        finally:
            gc.enable()
        assert answer["holder"].startswith("shop.users[")

    def test_objects_that_many_hold_have_no_holder(self) -> None:
        """What one of them hangs on says nothing of the others, nor do its bytes."""
        with program(**{f"name_{letter}": [Grown()] for letter in "abcdefghijklmnopqrst"}):
            assert self.answer(20) == self.unknown(20)

    def test_objects_of_which_some_are_held_are_not_lost(self) -> None:
        """Nothing is said of all, and no bytes are, where a part of them has a state that others have not."""
        gc.disable()
        try:
            with program(**{f"name_{letter}": [Grown()] for letter in "abcde"}):
                for _ in range(10):
                    one = Grown()
                    one.other = one
                del one
                assert self.answer(15) == self.unknown(15)
        finally:
            gc.enable()
            gc.collect()

    def unknown(self, count: int) -> dict[str, Any]:
        """Return the answer that nothing is known."""
        return {"address": 0, "type": f"{__name__}.Grown", "length": count, "holder": ""}

    def test_objects_that_the_walk_did_not_come_to_agree_as_well(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The way back is looked for from a few, each alone: in one dict, or in many."""
        monkeypatch.setattr(walk, "MOST_OBJECTS", 10)
        users = {number: [Grown()] for number in range(200)}
        with program(users=users):
            assert self.answer(200)["holder"].startswith("shop.users[")
        names = {f"name_{letter}": [kept] for letter, (kept,) in zip("abcdefghijklmnopqrst", users.values())}  # noqa: B905
        del users
        gc.collect()
        with program(**names):
            assert self.answer(20) == self.unknown(20)

    def test_objects_in_a_context_variable_agree_on_it(self) -> None:
        """One variable is a container, and all variables of a thread are none."""
        contextvars.Context().run(self.check_context, {"basket": [Grown() for _ in range(20)]}, "basket")
        few = {f"name_{letter}": [Grown()] for letter in "abcdefghijklmnopqrst"}
        contextvars.Context().run(self.check_context, few, "")

    def check_context(self, values: dict[str, list[Grown]], name: str) -> None:
        """Ask inside a context that has these variables, which nothing else holds."""
        while values:
            key, value = values.popitem()
            contextvars.ContextVar[Any](key).set(value)
            del value
        answer = self.answer(20)
        assert answer["holder"].startswith(f"context variable {name}[" if name else "")
        assert bool(answer["holder"]) == bool(name)

    def test_a_type_without_objects_has_no_answer(self) -> None:
        """Nothing is made up for a type that is not there."""
        answer = who([Suspect(0, "shop.Nothing", 9)], BUDGET_S)["holders"][0]
        assert answer == {"address": 0, "type": "shop.Nothing", "length": 9, "holder": ""}


class TestTasks:
    @pytest.mark.parametrize("runs", [False, True])
    def test_no_name_depends_on_the_task_that_runs(self, runs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a waiting task has is that task's, also while asyncio lists the one that knows it as the current."""
        answers: list[str] = []
        monkeypatch.setattr(holders, "find_roots", of_asyncio)

        async def works(where: list[int]) -> None:
            items = [[0]]
            where.append(id(items))
            await asyncio.sleep(60)

        async def serves() -> None:
            where: list[int] = []
            pending = asyncio.ensure_future(works(where))
            await asyncio.sleep(0)
            if runs:
                thread = threading.Thread(target=lambda: answers.append(path_to(where[0])))
                thread.start()
                thread.join()
            else:
                answers.append(await asyncio.to_thread(path_to, where[0]))
            pending.cancel()

        asyncio.run(serves())
        (path,) = answers
        assert path.startswith(f"task {__name__}.")
        assert path.endswith("works() local items")


def of_asyncio(own_thread: int) -> list[roots.Root]:
    """Return the roots of asyncio's modules and of tasks, and threads."""
    return [
        root
        for root in roots.find_roots(own_thread)
        if root.label.startswith(("asyncio.", "task ", "thread "))
    ]


class TestWho:
    def test_nothing_is_left_behind(self) -> None:
        """After an answer the process has the objects it had, with the collector switched off, too."""
        kept = [[number] for number in range(20_000)]
        with program(x=Holder(kept)):
            everything = [Suspect(id(kept), "builtins.list", 1), Suspect(0, f"{Holder.__module__}.Holder", 1)]
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
        assert variables.locals_of(working.gi_frame).keys() == {"mine", "gone"}  # type: ignore[attr-defined]
        next(working)
        assert gone[0]() is None

    @pytest.mark.skipif(sys.version_info >= (3, 13), reason="there a frame keeps no names that exec made")
    def test_names_that_a_function_made_by_exec_are_left_alone(self) -> None:
        """They are in the frame's dict alone, which is not asked for: no copy of a variable stays in it."""

        def works() -> Iterator[Any]:
            mine = Holder()
            gone.append(weakref.ref(mine))
            exec("rate = 3")  # noqa: S102
            yield None
            del mine
            yield eval("rate")  # noqa: S307

        gone: list[weakref.ref[Holder]] = []
        working = works()
        next(working)
        assert not variables.locals_of(working.gi_frame)  # type: ignore[attr-defined]
        assert next(working) == 3
        assert gone[0]() is None

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

    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="there are C lists of pending tasks instead")
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

    def test_the_registry_of_subclasses_is_no_lost_reference(self) -> None:
        """C holds it and shows it to nobody; it has weak references only, so it holds nothing."""
        kept = [type("Row", (Holder,), {}) for _ in range(50)]
        known = {id(cls) for cls in kept}
        (registry,) = [
            thing for thing in gc.get_objects() if type(thing) is dict and known <= dict.keys(thing)
        ]
        with program(kept=kept):
            (answer,) = who([Suspect(id(registry), "builtins.dict", 50)], BUDGET_S)["holders"]
        assert (answer["holder"], answer.get("state")) == ("", None)
        assert {entry["type"] for entry in answer["entries"]} == {"weakref.ReferenceType"}

    def test_lost_containers_of_weak_references_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A list of WeakSets holds them, whatever these refer to: it is not left out as the table above."""
        import ctypes

        monkeypatch.delitem(sys.modules, "greenlet", raising=False)
        lost = [weakref.WeakValueDictionary() for _ in range(300)]  # type: ignore[var-annotated]
        address = id(lost)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
        del lost
        (answer,) = who([Suspect(address, "builtins.list", 300)], BUDGET_S)["holders"]
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(ctypes.cast(address, ctypes.py_object).value))
        assert (answer["holder"], answer.get("state")) == ("", "unreferenced")

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
