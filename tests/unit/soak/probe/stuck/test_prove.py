from __future__ import annotations

import asyncio
import gc
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from soak_probe import standstill
from soak_probe.holders.variables import locals_of
from soak_probe.stuck import at_hand, places, prove

ASKED = prove.Asked(30.0, None)
background: set[asyncio.Task[None]] = set()
"""What keeps the tasks: no variable of a function that runs."""


@pytest.fixture(autouse=True)
def no_tasks() -> Iterator[None]:
    """Leave no task to the next test."""
    yield
    background.clear()
    gc.collect()


@pytest.fixture
def whole_heap() -> Iterator[None]:
    """Take all objects of the process into account again: the tests' conftest has frozen them."""
    gc.unfreeze()
    yield
    gc.freeze()


class Kept:
    """Something of the target."""

    def __init__(self) -> None:
        self.items: list[int] = []


async def lost_task() -> None:
    """Wait for what nothing sets."""
    await asyncio.Event().wait()


WAITS_AT = f"stuck/{Path(__file__).name}:{lost_task.__code__.co_firstlineno + 2}"


def found_with(tasks: int, **changes: Any) -> dict[str, Any]:
    """Return the answer of a process that has lost so many tasks."""

    async def main() -> dict[str, Any]:
        background.update(asyncio.create_task(lost_task()) for _ in range(tasks))
        await asyncio.sleep(0)
        answer = await asyncio.to_thread(prove.prove, ASKED._replace(**changes))
        for task in background:
            task.cancel()
        return answer

    return asyncio.run(main())


def of_lost(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the group of the lost tasks."""
    return next(group for group in answer["groups"] if group["coroutine"] == "lost_task")


class TestProve:
    @pytest.mark.usefixtures("whole_heap")
    def test_lost_tasks_are_told_with_their_line(self) -> None:
        """30 tasks that nothing can wake: coroutine, line, its text, and where within asyncio they wait."""
        answer = found_with(30)
        group = of_lost(answer)
        assert not answer["refused"]
        assert (group["stuck"], group["pending"]) == (30, 30)
        assert (group["waits_at"], group["source"]) == (WAITS_AT, "await asyncio.Event().wait()")
        assert group["waits_in"].startswith("asyncio/locks.py:")
        main = next(group for group in answer["groups"] if group["coroutine"].endswith("main"))
        assert (main["stuck"], main["pending"]) == (0, 1)

    @pytest.mark.usefixtures("whole_heap")
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_main_task_may_wait_for_ever(self) -> None:
        """A program that runs until it is interrupted: Ctrl-C cancels its main task, and what that has gathered."""
        answers: list[dict[str, Any]] = []

        def ask(loop: asyncio.AbstractEventLoop) -> None:
            answers.append(prove.prove(ASKED))
            loop.call_soon_threadsafe(loop.stop)

        async def main() -> None:
            threading.Thread(target=ask, args=(asyncio.get_running_loop(),)).start()
            await asyncio.gather(lost_task(), lost_task())

        with pytest.raises(RuntimeError, match="Event loop stopped"):
            asyncio.run(main())
        assert (of_lost(answers[0])["stuck"], of_lost(answers[0])["pending"]) == (0, 2)

    @pytest.mark.usefixtures("whole_heap")
    @pytest.mark.parametrize(
        ("changes", "most", "reason"),
        [
            ({}, 1_000, "objects, at most 1,000"),
            ({"room_bytes": 1 << 20}, prove.MOST_OBJECTS, "1,048,576 are left to the memory limit"),
        ],
    )
    def test_what_would_take_too_much_is_refused(
        self, changes: dict[str, int], most: int, reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Too many objects, or too little memory below the limit: the reason, and no groups."""
        monkeypatch.setattr(prove, "MOST_OBJECTS", most)
        answer = found_with(1, **changes)
        assert reason in answer["refused"]
        assert answer["groups"] == []

    def test_a_python_without_exact_counts_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As one without the interpreter lock."""
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
        assert found_with(1)["refused"] == "references are not counted exactly in this Python"

    def test_a_target_that_moves_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where another thread ran in each attempt, what was seen is no proof."""
        pauses = iter(range(100))
        monkeypatch.setattr(standstill, "pauses_of_this_thread", lambda _: next(pauses))
        assert found_with(1)["refused"] == "it did not stand still, or was not done in time"

    def test_the_time_is_kept(self) -> None:
        """Where the time is over before the walk is done, there is no proof, and the target goes on."""
        before_s, collects = sys.getswitchinterval(), gc.isenabled()
        assert found_with(1, budget_s=1e-9)["refused"]
        assert (sys.getswitchinterval(), gc.isenabled()) == (before_s, collects)

    def test_nothing_of_the_target_is_kept(self) -> None:
        """A task that was looked at is freed as soon as the target drops it."""

        async def main() -> Any:
            background.add(asyncio.create_task(lost_task()))
            await asyncio.sleep(0)
            await asyncio.to_thread(prove.prove, ASKED)
            task = background.pop()
            task.cancel()
            await asyncio.wait([task])
            return weakref.ref(task)

        known = asyncio.run(main())
        gc.collect()
        assert known() is None

    @pytest.mark.usefixtures("whole_heap")
    def test_a_deep_recursion_is_asked_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each frame that is asked takes memory of the target; what others hold counts as at hand."""
        most = 50
        monkeypatch.setattr(at_hand, "MOST_FRAMES_ASKED_FOR", most, raising=False)
        asked: list[types.FrameType] = []

        def read(frame: types.FrameType, called: types.FrameType | None = None) -> dict[str, Any]:
            asked.append(frame)
            return locals_of(frame, called)

        monkeypatch.setattr(at_hand, "locals_of", read)
        reached, go_on = threading.Event(), threading.Event()

        def recur(depth: int) -> None:
            if depth:
                recur(depth - 1)
            else:
                reached.set()
                go_on.wait()

        thread = threading.Thread(target=recur, args=(200,))
        thread.start()
        reached.wait()
        assert not found_with(30)["refused"]
        go_on.set()
        thread.join()
        assert 0 < sum(frame.f_code.co_name == "recur" for frame in asked) <= most

    @pytest.mark.usefixtures("whole_heap")
    def test_no_class_is_asked_what_it_is_equal_to(self) -> None:
        """Its metaclass may define that: of what a live coroutine has at hand, and of what a task awaits."""
        asked: list[object] = []

        class Meta(type):
            __hash__ = type.__hash__

            def __eq__(cls, other: object) -> bool:
                asked.append(other)
                return cls is other

        class Odd(metaclass=Meta):
            future: Any = None

            def __await__(self) -> Any:
                return self

            def __iter__(self) -> Any:
                return self

            def __next__(self) -> Any:
                return self.future

        async def waits() -> None:
            odd = Odd()
            odd.future = asyncio.get_running_loop().create_future()
            odd.future._asyncio_future_blocking = True
            await odd

        async def main() -> dict[str, Any]:
            at_hand = Odd()
            background.add(asyncio.create_task(waits()))
            background.add(asyncio.create_task(lost_task()))
            await asyncio.sleep(0)
            asked.clear()
            answer = await asyncio.to_thread(prove.prove, ASKED)
            for task in background:
                task.cancel()
            assert at_hand
            return answer

        assert of_lost(asyncio.run(main()))["pending"] == 1
        assert asked == []

    @pytest.mark.parametrize("budget_s", [30.0, 1e-9])
    def test_a_target_without_a_collector_keeps_nothing(self, budget_s: float) -> None:
        """What is dropped after a proof is freed at once: the proof leaves no cycle, which nobody would collect."""
        collects = gc.isenabled()
        gc.disable()
        try:
            kept = Kept()
            known = weakref.ref(kept)
            found_with(1, budget_s=budget_s)
            del kept
            assert known() is None
        finally:
            if collects:
                gc.enable()

    @pytest.mark.usefixtures("whole_heap")
    def test_no_module_is_entered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """CPython 3.12.0 and 3.12.1 hang when ``_asyncio`` is asked twice for its referents."""
        asked: list[Any] = []
        ask_collector = gc.get_referents

        def spy(*things: Any) -> list[Any]:
            asked.extend(thing for thing in things if isinstance(thing, types.ModuleType))
            return ask_collector(*things)

        monkeypatch.setattr(gc, "get_referents", spy)
        assert of_lost(found_with(30))["stuck"] == 30
        assert asked == []


class TestParse:
    @pytest.mark.parametrize(
        "request_",
        [{}, {"budget_s": 0}, {"budget_s": 61}, {"budget_s": True}, {"budget_s": 1, "room_bytes": "1"}],
    )
    def test_a_request_that_is_none_is_refused(self, request_: dict[str, Any]) -> None:
        """Seconds of the budget and bytes of room are numbers in their bounds."""
        with pytest.raises(ValueError, match="is not a number"):
            prove.parse(request_)

    def test_what_is_asked(self) -> None:
        """Without room any memory may be taken."""
        assert prove.parse({"op": "stuck", "budget_s": 5}) == prove.Asked(5.0, None)


class TestPlaces:
    @pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\n" * 3, b"x\n"])
    def test_a_source_that_cannot_be_read_has_no_line(self, content: bytes | None, tmp_path: Path) -> None:
        """A file that is gone, is no text or ends before: an empty text and no error."""
        file = tmp_path / "app.py"
        if content is not None:
            file.write_bytes(content)
        assert places.source_line(str(file), 2) == ""

    @pytest.mark.usefixtures("whole_heap")
    def test_groups_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of more groups than are told apart the rest is one, and no task is left out."""
        monkeypatch.setattr(places, "MOST_GROUPS", 1)
        answer = found_with(30)
        assert [group["coroutine"] for group in answer["groups"]] == ["lost_task", ""]
        assert sum(group["stuck"] for group in answer["groups"]) == 30
