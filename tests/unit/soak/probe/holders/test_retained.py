from __future__ import annotations

import asyncio
import json
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from soak_probe.holders import who
from soak_probe.holders.objects import Kinds
from soak_probe.holders.retained import DEAD, REFERENCES, Retention, are_weak

from analysis.growth.classify import DEAD_STATE, WEAK_REFERENCES, retains_nothing
from tests.support.planted_holders import Holder, ask, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


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

    def test_objects_of_a_sample_that_lead_to_others_of_their_type_share_the_bytes(self) -> None:
        """Of a sample of rings of ten the bytes of all are those of each, and not ten times as many."""
        rings = []
        for _ in range(5):
            ring = [Holder() for _ in range(10)]
            for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
                one.kept = other
            rings.append(ring[0])
        shared = (Holder, None)
        size_bytes, alone_bytes = (
            Retention(Kinds(), shared.__contains__, float("inf")).of_sample(sample, 50).size_bytes
            for sample in (rings, [Holder()])
        )
        assert size_bytes == pytest.approx(alone_bytes, rel=0.2)

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

    def test_a_value_with_its_own_weak_key_is_told(self) -> None:
        """The pitfall of a WeakKeyDictionary: its values hold the keys, and nobody else does."""
        keys = [Holder() for _ in range(50)]
        kept: Any = weakref.WeakKeyDictionary({key: Holder(key) for key in keys})
        with program(x=kept, keys=keys):
            others = ask(kept.data)[0]["entries"]
        del keys
        with program(x=kept):
            itself = ask(kept.data)[0]["entries"]
        assert [entry.get("state") for entry in others] == ["weak"] * 3
        assert [entry.get("state") for entry in itself] == [None] * 3

    @pytest.mark.parametrize(("method", "held"), [(True, False), (True, True), (False, True)])
    def test_finalizers_hold_what_their_functions_do(
        self, *, method: bool, held: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``finalize(c, c.method)``, the documented pitfall, keeps c for ever; what others hold, these decide about."""
        registry: dict[Any, Any] = {}  # that of the tests has much of pytest
        monkeypatch.setattr(weakref.finalize, "_registry", registry)
        # the module of a program is shared; it is none of the few roots here
        hidden = [*who.hidden_names(), vars(weakref)]  # type: ignore[attr-defined]
        monkeypatch.setattr(who, "hidden_names", lambda: hidden)
        made = [Holder() for _ in range(100)]
        finalizers = [weakref.finalize(one, one.method if method else print) for one in made]
        if not held:
            made.clear()
        try:
            with program(registry=registry, made=made):
                entries = ask(registry)[0]["entries"]
        finally:
            for finalizer in finalizers:
                finalizer.detach()
        assert {entry["type"] for entry in entries} == {"weakref.finalize._Info"}
        assert {entry.get("state") for entry in entries} == {"weak" if held else None}

    def test_references_to_what_is_gone_are_told(self) -> None:
        """A list of them that nobody prunes grows by itself; of those that live others decide."""
        living = [Holder() for _ in range(50)]
        known = [weakref.ref(one) for one in living]
        gone = [weakref.ref(Holder(), id) for _ in range(50)]
        with program(living=living, known=known, gone=gone):
            of_known, of_gone = (answer["entries"] for answer in ask(known, gone))
        assert {entry.get("state") for entry in of_known} == {None}
        assert {entry.get("state") for entry in of_gone} == {"dead"}
        assert (are_weak(of_known), are_weak(of_gone)) == (True, False)

    @pytest.mark.parametrize(
        ("make", "weak"),
        [
            (weakref.ref, True),
            (weakref.proxy, True),
            (lambda one: weakref.WeakMethod(one.method), True),
            (lambda one: weakref.WeakValueDictionary({1: one}).data[1], True),  # type: ignore[attr-defined]
            (lambda one: weakref.proxy(type(one).method), True),
            (lambda one: weakref.WeakSet([one]), False),
            (lambda one: weakref.WeakValueDictionary({1: one}), False),
            (lambda one: weakref.WeakKeyDictionary({one: 1}), False),
        ],
    )
    def test_only_references_are_weak(self, make: Callable[[Any], Any], *, weak: bool) -> None:
        """A WeakSet in a list is held by the list; the analysis has the same names."""
        living = [Holder() for _ in range(5)]
        kept = [make(one) for one in living]
        with program(living=living, kept=kept):
            entries = ask(kept)[0]["entries"]
        assert are_weak(entries) == retains_nothing(entries) == weak

    def test_the_analysis_has_the_same_names(self) -> None:
        """The probe stands alone, so there are two lists."""
        assert REFERENCES == WEAK_REFERENCES
        assert DEAD == DEAD_STATE

    def test_python_s_own_list_of_threads_decides_nothing(self) -> None:
        """A thread is in it for as long as it runs: who made it, or holds it, is to be named."""
        ended = threading.Event()
        threads = [threading.Thread(target=ended.wait, args=(10,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        try:
            with program(threads=threads):
                held, listed = (
                    answer["entries"]
                    for answer in ask(threads, threading._active)  # type: ignore[attr-defined]
                )
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert not any("state" in entry for entry in held)
        assert {entry["state"] for entry in listed} == {"weak"}

    def test_classes_and_modules_made_by_requests_count(self) -> None:
        """A class of C and what the program has are no part; a class is a thousand bytes, beside its parts."""
        classes = [type("Row", (), {"n": int})() for _ in range(300)]
        modules = [types.ModuleType("made") for _ in range(300)]
        for module in modules:
            vars(module)["rows"] = [bytes(10_000)]
        with program(classes=classes, modules=modules):
            assert 1_000 < ask(classes)[0]["retained_bytes"] / 300 < 4_000
            assert 10_000 < ask(modules)[0]["retained_bytes"] / 300 < 11_000

    def test_modules_of_one_file_hang_on_the_table_of_modules(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hundreds that were loaded from one file are what grows: their names are no start of their own."""
        made = [types.ModuleType(f"task plugin_{number}") for number in range(300)]
        for number, module in enumerate(made):
            vars(module).update(__file__="/srv/plugin.py", rows=[[number], bytes(10_000)])
            monkeypatch.setitem(sys.modules, module.__name__, module)
        with program(table=made):
            assert ask(made)[0]["retained_bytes"] > 300 * 10_000
            assert ask(made[7].rows)[0]["holder"] == "shop.table[7].rows"

    def test_what_threads_of_a_crowd_have_at_hand_counts_for_their_holder(self) -> None:
        """Each thread has itself as a local variable, and Python lists those that are alive."""
        ended = threading.Event()

        class Worker(threading.Thread):
            def run(self) -> None:
                ended.wait(30)

        active = [Worker(name=f"thread pump {number}", daemon=True) for number in range(30)]
        for worker in active:
            worker.rows = bytes(10_000)  # type: ignore[attr-defined]
            worker.start()
        try:
            with program(active=active, threads=threading._active):  # type: ignore[attr-defined]
                answer = ask(active)[0]
        finally:
            ended.set()
            for worker in active:
                worker.join()
        assert answer["holder"] == "shop.active"
        assert answer["retained_bytes"] > 30 * 10_000

    def test_tasks_that_hang_on_entries_are_told(self) -> None:
        """An entry that is no task itself has the state of one that only it leads to."""

        async def waits(future: asyncio.Future[None]) -> None:
            await future

        async def main() -> dict[str, Any]:
            loop = asyncio.get_running_loop()
            kept = [{"task": asyncio.ensure_future(waits(loop.create_future()))} for _ in range(50)]
            await asyncio.sleep(0)
            with program(x=kept):
                answer = (await asyncio.to_thread(ask, kept))[0]
            for entry in kept:
                entry["task"].cancel()
            return answer

        assert [entry["task"] for entry in asyncio.run(main())["entries"]] == ["pending"] * 3

    def test_what_others_hold_too_does_not_count(self) -> None:
        """A reference to the program's own tables, classes and modules adds nothing."""
        tables = [bytes(1_000_000)]
        kept: list[Any] = []
        with program(tables=tables, Holder=Holder, x=kept) as module:
            kept += [[tables, Holder, module] for _ in range(100)]
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
