from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable, Iterator
from importlib.util import LazyLoader, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from soak_probe import creations, gauges, tasks

from tests.support.planted_tasks import PlantedTask, reference

LISTS_FINISHED = sys.version_info < (3, 14)
"""Whether this Python lists finished tasks, or only an exact reading finds them."""


async def nothing() -> None:
    """End at once."""


class TestTasks:
    def test_finished_tasks_that_are_kept_are_counted(self) -> None:
        """Of 20 finished tasks kept and 7 pending ones, exactly these are seen."""

        async def plant() -> tuple[int, int]:
            before = tasks.find(exact=True)
            kept = [asyncio.create_task(nothing()) for _ in range(20)]
            pending = [asyncio.create_task(asyncio.Event().wait()) for _ in range(7)]
            await asyncio.gather(*kept)
            after = tasks.find(exact=not LISTS_FINISHED)
            for task in pending:
                task.cancel()
            assert before.alive is not None
            assert after.alive is not None
            return after.alive - before.alive, (tasks.finished(after) or 0) - (tasks.finished(before) or 0)

        assert asyncio.run(plant()) == (27, 20)

    def test_reading_keeps_no_task_alive(self) -> None:
        """A task that only the probe has looked at is freed as soon as the target drops it."""

        async def plant() -> tuple[int | None, int | None]:
            before = tasks.find(exact=not LISTS_FINISHED).alive
            task = asyncio.create_task(nothing())
            await task
            found = tasks.find(exact=not LISTS_FINISHED)
            assert tasks.finished(found) is not None
            del task
            await asyncio.sleep(0)  # the callback that woke us holds the task until we return to the loop
            return before, tasks.find(exact=not LISTS_FINISHED).alive

        before, after = asyncio.run(plant())
        assert before == after

    def test_without_asyncio_there_is_nothing_to_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A target that never imported asyncio has no number of tasks, not 0 of them."""
        monkeypatch.delitem(sys.modules, "asyncio.tasks")
        found = tasks.find(exact=True)
        assert found.alive is None
        assert tasks.finished(found) is None

    def test_where_asyncio_lists_pending_tasks_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python 3.14: an exact sample walks the objects and finds the finished ones too, and the loops for others."""

        class Task(PlantedTask):
            pass

        monkeypatch.setattr(creations, "_loops", [])
        loop = PlantedLoop()
        planted = [Task(done=True, loop=loop), Task(done=True, loop=loop), Task(loop=loop)]
        asyncio_of_3_14 = types.SimpleNamespace(Task=Task, _c_all_tasks=lambda _loop: {planted[2]})
        monkeypatch.setitem(sys.modules, "asyncio.tasks", asyncio_of_3_14)
        assert tasks.find(exact=False, pending=tasks.Pending()).alive is None
        exact = tasks.find(exact=True)
        under_load = tasks.find(exact=False, pending=tasks.Pending())
        assert (exact.alive, tasks.finished(exact)) == (len(planted), 2)
        assert (under_load.alive, tasks.finished(under_load)) == (1, None)

    def test_a_lazy_module_is_not_loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module that is loaded when it is first used was not used by the target, and has no tasks."""
        spec = spec_from_file_location("asyncio.tasks", tmp_path / "missing.py")
        assert spec is not None
        assert spec.loader is not None
        spec.loader = LazyLoader(spec.loader)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, "asyncio.tasks", module)
        assert tasks.find(exact=True).alive is None
        assert type(module) is not types.ModuleType

    def test_eager_tasks_are_alive_and_pending(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A task that asyncio still runs eagerly stands outside its WeakSet, and is counted all the same."""
        registered = _Registered({reference(PlantedTask(done=True))})
        module = types.SimpleNamespace(_scheduled_tasks=registered, _eager_tasks={PlantedTask()})
        monkeypatch.setitem(sys.modules, "asyncio.tasks", module)
        found = tasks.find(exact=False)
        assert (found.alive, tasks.finished(found)) == (2, 1)

    @pytest.mark.parametrize("period", [2, 3, 10, 16, 50])
    def test_a_pattern_in_memory_does_not_mislead_the_estimate(self, period: int) -> None:
        """Where every nth of 50,000 tasks is finished, the estimate is within 3 standard errors of the truth."""
        planted = [reference(PlantedTask(done=i % period == 0)) for i in range(50_000)]
        seen = tasks.share(planted, exact=False)
        estimate = tasks.finished(tasks.Tasks(len(planted), seen, all_seen=False))
        assert len(seen) <= tasks.LOOK_AT
        assert estimate == pytest.approx(50_000 / period, abs=3 * 0.016 * 50_000)

    @pytest.mark.slow
    def test_the_estimate_follows_the_truth(self) -> None:
        """None finished and all finished are told apart without error."""
        for done, expected in ((False, 0), (True, 50_000)):
            planted = [reference(PlantedTask(done)) for _ in range(50_000)]
            found = tasks.Tasks(len(planted), tasks.share(planted, exact=False), all_seen=False)
            assert tasks.finished(found) == expected

    def test_above_the_bound_only_an_exact_sample_counts(self) -> None:
        """Of 100,001 tasks a sample under load looks at none, and an exact one at all."""
        planted = [reference(PlantedTask(done=True))] * (tasks.COUNT_UP_TO + 1)
        unknown = tasks.Tasks(len(planted), tasks.share(planted, exact=False), all_seen=False)
        counted = tasks.Tasks(len(planted), tasks.share(planted, exact=True), all_seen=True)
        assert tasks.finished(unknown) is None
        assert tasks.finished(counted) == len(planted)

    @pytest.mark.parametrize(("failures", "seen"), [(2, 5), (3, 0)])
    def test_a_set_that_changes_is_read_again(self, failures: int, seen: int) -> None:
        """A set the event loop changes meanwhile is read anew, at most three times in all."""
        assert len(tasks.share(_Changing(5, failures), exact=False)) == seen


class PlantedLoop:
    """An event loop; of others it has no more than that it is referred to."""


class TestPending:
    @pytest.fixture
    def loops(self, monkeypatch: pytest.MonkeyPatch) -> list[PlantedLoop]:
        """Two event loops that are known."""
        monkeypatch.setattr(creations, "_loops", [])
        loops = [PlantedLoop(), PlantedLoop()]
        for loop in loops:
            creations.note_loop(loop)
        return loops

    def test_the_tasks_of_all_loops_are_counted(self, loops: list[PlantedLoop]) -> None:
        """Their sum is alive, none is kept, and of finished ones nothing is known."""
        listed = {loops[0]: {PlantedTask(), PlantedTask()}, loops[1]: {PlantedTask()}}
        found = tasks.Pending().count(listed.__getitem__)
        assert (found.alive, tasks.finished(found), found.seen) == (3, None, ())

    @pytest.mark.parametrize(
        ("cost_s", "counted"), [(0.012, [2, *[None] * 5, 2, *[None] * 5, 2]), (0.002, [2] * 13)]
    )
    def test_what_took_long_is_repeated_late(
        self, cost_s: float, counted: list[int | None], loops: list[PlantedLoop]
    ) -> None:
        """After 12 ms, as of 100,000 tasks, the readings of 6 s are gaps; what takes 2 ms is read each second."""
        now_s, spent_s = iter(range(100, 113)), [0.0]

        def list_tasks(_loop: PlantedLoop) -> set[PlantedTask]:
            spent_s[0] += cost_s / len(loops)
            return {PlantedTask()}

        pending = tasks.Pending(lambda: next(now_s), lambda: spent_s[0])
        assert [pending.count(list_tasks).alive for _ in counted] == counted

    @pytest.mark.parametrize("count", [0, creations.MOST_LOOPS + 1])
    def test_unknown_loops_are_no_zero(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no loop was met, or more than may be walked for, there is no number, and nothing is listed."""
        monkeypatch.setattr(creations, "_loops", [])
        kept = [PlantedLoop() for _ in range(count)]
        for loop in kept:
            creations.note_loop(loop)
        assert tasks.Pending().count(_refuse) == tasks.Tasks()

    def test_a_loop_is_not_kept_alive(self, loops: list[PlantedLoop]) -> None:
        """A loop that the target dropped makes room for others."""
        creations.note_loop(loops[0])
        assert creations.loops() == loops
        loops.pop()
        assert creations.loops() == loops


def _refuse(loop: object) -> set[Any]:
    raise AssertionError(f"the tasks of {loop} were listed")


class _Registered:
    """As much of a WeakSet as the probe uses."""

    def __init__(self, data: set[Any]) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)


class _Changing(set[Any]):
    """A set whose first iterations fail as those of a set do that is changed meanwhile."""

    def __init__(self, size: int, failures: int) -> None:
        super().__init__(range(size))
        self._failures = failures

    def __iter__(self) -> Iterator[Any]:
        if self._failures:
            self._failures -= 1
            raise RuntimeError("Set changed size during iteration")
        return super().__iter__()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], float]]:
    """The gauges of a process that has none yet."""
    empty: dict[str, Callable[[], float]] = {}
    monkeypatch.setattr(gauges, "REGISTERED", empty)
    return empty
