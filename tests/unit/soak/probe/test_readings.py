"""The probe's readings: tasks, loop lag, sessions, gauges, allocators. No socket, no other process."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from inspect import signature
from typing import Any

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe import allocators, gauges, looplag, tasks
from soak_probe.imports import ModuleFinder
from soak_probe.sessions import AIOHTTP_CLIENT, Sessions


class PlantedTask:
    def __init__(self, done: bool = False, loop: Any = None) -> None:
        self._done = done
        self._loop = loop

    def done(self) -> bool:
        return self._done

    def get_loop(self) -> Any:
        return self._loop


def reference(task: PlantedTask | None) -> Any:
    """Return what stands for a weak reference to the task."""
    return lambda: task


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
            after = tasks.find(exact=False)
            for task in pending:
                task.cancel()
            assert before.alive is not None
            assert after.alive is not None
            return after.alive - before.alive, (tasks.finished(after) or 0) - (tasks.finished(before) or 0)

        assert asyncio.run(plant()) == (27, 20)

    def test_reading_keeps_no_task_alive(self) -> None:
        """A task that only the probe has looked at is freed as soon as the target drops it."""

        async def plant() -> tuple[int | None, int | None]:
            before = tasks.find(exact=False).alive
            task = asyncio.create_task(nothing())
            await task
            found = tasks.find(exact=False)
            assert tasks.finished(found) is not None
            del task
            await asyncio.sleep(0)  # the callback that woke us holds the task until we return to the loop
            return before, tasks.find(exact=False).alive

        before, after = asyncio.run(plant())
        assert before == after

    def test_without_asyncio_there_is_nothing_to_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A target that never imported asyncio has no number of tasks, not 0 of them."""
        monkeypatch.delitem(sys.modules, "asyncio.tasks")
        found = tasks.find(exact=True)
        assert found.alive is None
        assert tasks.finished(found) is None

    def test_where_asyncio_lists_pending_tasks_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On Python 3.14 a sample knows no number; an exact one walks the objects and finds the finished ones too."""

        class Task(PlantedTask):
            pass

        planted = [Task(done=True), Task(done=True), Task()]
        asyncio_of_3_14 = types.SimpleNamespace(Task=Task, _c_all_tasks=None)
        monkeypatch.setitem(sys.modules, "asyncio.tasks", asyncio_of_3_14)
        assert tasks.find(exact=False).alive is None
        found = tasks.find(exact=True)
        assert (found.alive, tasks.finished(found)) == (len(planted), 2)

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


class PlantedLoop:
    """Keeps what is scheduled until the test runs it."""

    def __init__(self) -> None:
        self.running = True
        self.closed = False
        self.scheduled: list[Callable[[], None]] = []

    def is_running(self) -> bool:
        return self.running

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.scheduled.append(callback)

    def run(self) -> None:
        self.scheduled.pop()()


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class TestLoopLag:
    def test_the_delay_of_a_callback_is_reported(self) -> None:
        """A callback that ran 5 ms after it was scheduled is a lag of 5 ms, whenever it is asked for."""
        clock, loop = Clock(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(PlantedTask(loop=loop))]
        assert lag.read_ms(seen) is None
        clock.now_s += 0.005
        loop.run()
        clock.now_s += 1
        assert lag.read_ms(seen) == pytest.approx(5)

    def test_a_blocked_loop_shows_a_growing_lag(self) -> None:
        """While the loop is blocked the lag grows with the time, and one callback waits, not one per reading."""
        clock, loop = Clock(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(PlantedTask(loop=loop))]
        lag.read_ms(seen)
        readings = []
        for _ in range(3):
            clock.now_s += 1
            readings.append(lag.read_ms(seen))
        assert readings == pytest.approx([1000, 2000, 3000])
        assert len(loop.scheduled) == 1

    def test_another_loop_is_found_when_the_first_has_ended(self) -> None:
        """A loop that has stopped is left for one that runs; what waits in the first is forgotten."""
        clock, first, second = Clock(), PlantedLoop(), PlantedLoop()
        lag = looplag.LoopLag(clock)
        seen = [reference(None), reference(PlantedTask(loop=first)), reference(PlantedTask(loop=second))]
        lag.read_ms(seen)
        first.running = False
        clock.now_s += 7
        assert lag.read_ms(seen) is None
        clock.now_s += 0.25
        second.run()
        assert lag.read_ms(seen) == pytest.approx(250)

    def test_no_running_loop_is_no_lag(self) -> None:
        """Without a running loop, or with one that closes at this moment, there is no figure."""
        stopped, closed = PlantedLoop(), PlantedLoop()
        stopped.running = False
        closed.closed = True
        assert looplag.LoopLag().read_ms([]) is None
        assert looplag.LoopLag().read_ms([reference(PlantedTask(loop=stopped))]) is None
        lag = looplag.LoopLag()
        assert [lag.read_ms([reference(PlantedTask(loop=closed))]) for _ in range(2)] == [None, None]

    def test_the_loop_is_not_kept_alive(self) -> None:
        """A loop that the target dropped is gone for the probe too."""
        lag = looplag.LoopLag()
        loop = PlantedLoop()
        lag.read_ms([reference(PlantedTask(loop=loop))])
        loop.scheduled.clear()
        del loop
        assert lag._loop() is None


def planted_client() -> Any:
    """Return a module that stands for aiohttp.client."""

    class ClientSession:
        def __init__(self, base_url: str = "", *, fail: bool = False) -> None:
            if fail:
                raise ValueError(base_url)
            self.closed = False

    module: Any = types.ModuleType(AIOHTTP_CLIENT)
    module.ClientSession = ClientSession
    return module


class TestSessions:
    def test_sessions_alive_and_open_are_counted(self) -> None:
        """Sessions count while they live, closed ones too, whichever thread makes them; dropped ones do not."""
        sessions, client = Sessions(), planted_client()
        sessions.watch_module(client)
        kept = [client.ClientSession() for _ in range(5)]
        thread = threading.Thread(target=lambda: kept.append(client.ClientSession("http://a")))
        thread.start()
        thread.join()
        client.ClientSession()
        kept[0].closed = True
        assert sessions.count() == (6, 5)
        kept.clear()
        assert sessions.count() == (0, 0)

    def test_subclasses_count_even_if_they_cannot_be_hashed(self) -> None:
        """A subclass that defines equality and no hash is counted, and made without an error."""
        sessions, client = Sessions(), planted_client()
        sessions.watch_module(client)

        class Equal(client.ClientSession):  # type: ignore[misc, name-defined]
            def __eq__(self, other: object) -> bool:
                return True

            __hash__ = None  # type: ignore[assignment]

        kept = [Equal(), Equal()]
        assert sessions.count() == (len(kept), 2)

    def test_the_wrapped_class_looks_and_fails_as_before(self) -> None:
        """Signature and exceptions of the constructor are the original's; a session that failed is not counted."""
        sessions, client = Sessions(), planted_client()
        before = signature(client.ClientSession)
        sessions.watch_module(client)
        assert signature(client.ClientSession) == before
        with pytest.raises(ValueError, match="http://b"):
            client.ClientSession("http://b", fail=True)
        assert sessions.count() == (0, 0)

    def test_without_aiohttp_there_is_nothing_to_count(self) -> None:
        """A target that never imported aiohttp has no number of sessions, not 0 of them."""
        assert Sessions().count() is None

    def test_aiohttp_that_is_already_there_is_watched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where aiohttp was imported before the probe, sessions count from now on, and no finder is left behind."""
        client, finders = planted_client(), list(sys.meta_path)
        monkeypatch.setitem(sys.modules, AIOHTTP_CLIENT, client)
        sessions = Sessions()
        sessions.watch()
        kept = client.ClientSession()
        assert (sessions.count(), kept.closed) == ((1, 1), False)
        assert sys.meta_path == finders


class PlantedLoader:
    def create_module(self, spec: ModuleSpec) -> None:
        pass

    def exec_module(self, module: types.ModuleType) -> None:
        module.loaded = True  # type: ignore[attr-defined]


class PlantedFinder:
    """Finds every module, with a loader of its own."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec:
        return ModuleSpec(name, self._loader)


class TestModuleFinder:
    def test_it_reacts_to_aiohttp_client_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module reaches the callback once its own loader has run it; then the finder is gone."""
        imported: list[types.ModuleType] = []
        finder, loader = ModuleFinder(AIOHTTP_CLIENT, imported.append), PlantedLoader()
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(loader)])
        assert finder.find_spec("aiohttp") is None
        spec = finder.find_spec(AIOHTTP_CLIENT)
        assert spec is not None
        assert spec.loader is loader  # type: ignore[comparison-overlap]
        module = module_from_spec(spec)
        loader.exec_module(module)
        assert imported == [module]
        assert module.loaded
        assert finder not in sys.meta_path
        assert "exec_module" not in vars(loader)

    def test_what_is_not_there_is_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without aiohttp installed the import fails as it would without us."""
        finder = ModuleFinder(AIOHTTP_CLIENT, lambda _: None)
        monkeypatch.setattr(sys, "meta_path", [finder])
        assert finder.find_spec(AIOHTTP_CLIENT) is None

    def test_an_unknown_loader_or_module_does_not_break_the_import(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A loader that cannot be followed, and a module without ClientSession, import as ever."""
        finder = ModuleFinder(AIOHTTP_CLIENT, Sessions().watch_module)
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(object())])
        assert finder.find_spec(AIOHTTP_CLIENT) is not None
        loader = PlantedLoader()
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(loader)])
        spec = finder.find_spec(AIOHTTP_CLIENT)
        assert spec is not None
        module = module_from_spec(spec)
        loader.exec_module(module)
        assert module.loaded


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], float]]:
    """The gauges of a process that has none yet."""
    empty: dict[str, Callable[[], float]] = {}
    monkeypatch.setattr(gauges, "REGISTERED", empty)
    return empty


class TestGauges:
    def test_gauges_are_read_by_name(self, registered: dict[str, Callable[[], float]]) -> None:
        """A gauge gives what its function returns now; registered again, the new function's."""
        cache = [1, 2, 3]
        gauges.gauge("cache_entries", lambda: len(cache))
        gauges.gauge("load_1m", lambda: 0.5)
        cache.append(4)
        assert gauges.read_all(registered) == ({"cache_entries": 4, "load_1m": 0.5}, [])
        gauges.gauge("cache_entries", lambda: -1)
        assert gauges.read_all(registered) == ({"cache_entries": -1, "load_1m": 0.5}, [])

    @pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf"), None, "3", True, 10**400])
    def test_what_is_no_finite_number_is_named_and_left_out(
        self, registered: dict[str, Callable[[], float]], figure: Any
    ) -> None:
        """A gauge that gives anything but a finite number is an error of that gauge alone."""
        gauges.gauge("odd", lambda: figure)
        gauges.gauge("sound", lambda: 7)
        assert gauges.read_all(registered) == ({"sound": 7}, ["odd"])

    def test_a_gauge_that_raises_is_named_and_left_out(
        self, registered: dict[str, Callable[[], float]]
    ) -> None:
        """An error in the target's function does not cost the other gauges."""
        gauges.gauge("broken", lambda: 1 / 0)
        gauges.gauge("sound", lambda: 7)
        assert gauges.read_all(registered) == ({"sound": 7}, ["broken"])

    @pytest.mark.parametrize("name", ["", "Cache", "1st", "_a", "a-b", "ä", "a" * 41])
    @pytest.mark.usefixtures("registered")
    def test_a_name_that_could_not_be_a_column_is_refused(self, name: str) -> None:
        """A name is up to 40 of a-z, 0-9 and _, beginning with a letter."""
        with pytest.raises(ValueError, match="a name is up to 40 of a-z, 0-9 and _, a letter first"):
            gauges.gauge(name, lambda: 0)

    def test_there_can_be_32(self, registered: dict[str, Callable[[], float]]) -> None:
        """The 33rd gauge is refused; one of the 32 can still be replaced."""
        for number in range(32):
            gauges.gauge(f"g{number}" + "x" * 30, lambda: 0)
        gauges.gauge("g0" + "x" * 30, lambda: 1)
        with pytest.raises(ValueError, match="32 gauges are registered"):
            gauges.gauge("one_more", lambda: 0)
        assert len(registered) == 32


PRINTED = b"""\
# arenas allocated total           =                  412
# arenas reclaimed                 =                   12
# arenas allocated current         =                  400
400 arenas * 1048576 bytes/arena   =          419,430,400

# bytes in allocated blocks        =          300,000,000
# bytes in available blocks        =              327,616
18 unused pools * 16384 bytes      =              294,912
# bytes lost to pool headers       =               11,280
"""


class TestAllocators:
    def test_the_printed_statistics_are_read(self) -> None:
        """Arena bytes are the arenas' total; free bytes are those in available blocks and in unused pools."""
        assert allocators.parse_pymalloc(PRINTED) == (419_430_400, 327_616 + 294_912)

    @pytest.mark.parametrize("missing", [b"bytes/arena", b"available blocks", b"unused pools"])
    def test_a_line_that_is_missing_is_no_figure(self, missing: bytes) -> None:
        """Text of another form, as of a Python without pymalloc, gives nothing rather than half of it."""
        assert allocators.parse_pymalloc(PRINTED.replace(missing, b"")) is None

    def test_pymalloc_sees_small_objects(self) -> None:
        """300,000 small objects are at least 16 bytes each in use, and are free again after."""

        def used() -> int:
            figures = allocators.pymalloc()
            assert figures is not None
            return figures[0] - figures[1]

        before = used()
        kept = [object() for _ in range(300_000)]
        during = used()
        del kept
        after = used()
        assert during - before >= 300_000 * 16
        assert after - before < 300_000

    def test_malloc_sees_native_memory(self) -> None:
        """64 MB held by the C library's malloc are in use, and are not after."""
        if allocators.malloc() is None:
            pytest.skip("this C library has no mallinfo2 (glibc has it since 2.33)")

        def used() -> int:
            figures = allocators.malloc()
            assert figures is not None
            return figures[0]

        before = used()
        held = bytearray(64_000_000)
        during = used()
        del held
        assert during - before >= 64_000_000
        assert used() - before < 1_000_000

    def test_a_library_without_the_function_gives_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where mallinfo2, malloc_trim or the statistics of pymalloc are missing there is no figure, not 0."""
        assert allocators._function(allocators._quick, "no_such_function", None) is None
        for name in ("_mallinfo2", "_malloc_trim", "_debug_malloc_stats"):
            monkeypatch.setattr(allocators, name, None)
        assert (allocators.malloc(), allocators.trim(), allocators.pymalloc()) == (None, None, None)
