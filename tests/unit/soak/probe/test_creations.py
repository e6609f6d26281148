from __future__ import annotations

import asyncio
import sys
import types
import weakref
from pathlib import Path
from typing import Any

import pytest
from soak_probe import creations

from tests.support.planted_holders import ask, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


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

    def test_a_loop_that_runs_already_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A probe that comes late need not wait for the next task."""
        monkeypatch.setattr(creations, "_loops", [])

        async def main() -> bool:
            module: Any = types.ModuleType("asyncio.base_events")
            module.BaseEventLoop = type("Loop", (asyncio.SelectorEventLoop,), {})
            creations.watch_base_events(module)
            return creations.loops() == [asyncio.get_running_loop()]

        assert asyncio.run(main())

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

    @pytest.mark.usefixtures("base_events")
    def test_a_group_of_anyio_creates_on_behalf_of_its_caller(self) -> None:
        """The place is that of the caller of the group, not the line within anyio."""
        names: dict[str, Any] = {"note": creations.note, "frame": sys._getframe}
        file = "/srv/site-packages/anyio/_backends/_asyncio.py"
        exec(compile("def start_soon(job): note(job, frame())", file, "exec"), names)  # noqa: S102 - for the file

        async def job() -> None:
            pass

        coroutine = job()
        names["start_soon"](coroutine)
        line = sys._getframe().f_lineno - 1
        code = creations.code_of(coroutine)
        coroutine.close()
        assert code is not None
        assert creations.site_of(code) == f"probe/{Path(__file__).name}:{line}"
