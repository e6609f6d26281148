from __future__ import annotations

import asyncio
import json
import sys
import threading
import types
import weakref
from typing import Any

import pytest
from soak_probe.holders.objects import Kinds
from soak_probe.holders.retained import Retention

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
