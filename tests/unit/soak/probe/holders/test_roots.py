"""Under which names the search starts."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from _thread import get_ident
from collections.abc import Awaitable, Callable

import pytest
from soak_probe.holders import roots
from soak_probe.holders.roots import CROWD, Root, find_roots


@pytest.mark.parametrize("own_name", ["__main__", "__mp_main__"])
def test_the_main_module_has_one_name(monkeypatch: pytest.MonkeyPatch, own_name: str) -> None:
    """Whatever multiprocessing has named it, in the parent process or in a child."""
    main = types.ModuleType(own_name)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setitem(sys.modules, "__mp_main__", main)
    assert [root.label for root in find_roots(get_ident()) if root.names is vars(main)] == ["__main__"]


def test_a_module_is_called_what_it_calls_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the alias under which it was listed first."""
    module = types.ModuleType("shop.cart")
    monkeypatch.setitem(sys.modules, "cart", module)
    monkeypatch.setitem(sys.modules, "shop.cart", module)
    assert [root.label for root in find_roots(get_ident()) if root.names is vars(module)] == ["shop.cart"]


@pytest.mark.parametrize(("count", "late"), [(3, False), (CROWD + 1, True)])
def test_a_crowd_starts_late(count: int, late: bool) -> None:
    """What one of many threads in the same function has at hand says little; that of few is a start as any."""
    ended, ready = threading.Event(), threading.Barrier(count + 1)

    def serves() -> None:
        ready.wait(10)
        ended.wait(10)

    threads = [threading.Thread(target=serves) for _ in range(count)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    try:
        found = [root for root in find_roots(get_ident()) if "serves()" in root.label]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert [root.is_late for root in found] == [late] * count


@pytest.mark.parametrize(("most", "count"), [(CROWD + 1, CROWD + 1), (CROWD + 10, CROWD + 7), (1_000, 200)])
def test_a_crowd_of_tasks_takes_no_place_of_others(
    most: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that lasts is a root beside more that leak than are looked at, whatever function both began with.

    What is looked at of the crowd is told as one; where there is room, that is all of it.
    """
    monkeypatch.setattr(roots, "MOST_TASKS", most)
    found: list[Root] = []

    async def stuck(ended: asyncio.Event) -> None:
        await ended.wait()

    async def worker(ended: asyncio.Event) -> None:
        await ended.wait()

    async def wrapped(work: Callable[[asyncio.Event], Awaitable[None]], ended: asyncio.Event) -> None:
        await work(ended)

    async def main() -> None:
        ended = asyncio.Event()
        coroutines = [wrapped(stuck, ended) for _ in range(100)] + [stuck(ended) for _ in range(100)]
        coroutines[150:150] = [worker(ended), wrapped(worker, ended)]
        waiting = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
        await asyncio.sleep(0)
        found.extend(await asyncio.to_thread(find_roots, get_ident()))
        ended.set()
        await asyncio.gather(*waiting)

    asyncio.run(main())
    of_tasks = [root for root in found if root.label.startswith("task ")]
    assert [root.is_late for root in of_tasks if root.label.endswith("worker()")] == [False, False]
    crowd = [root for root in of_tasks if root.label.endswith("stuck()")]
    assert [root.is_late for root in crowd] == [True] * count


def test_what_the_main_thread_runs_of_the_target_lasts() -> None:
    """The frames of its own functions do; of packages and of other threads they may be of one request."""
    ended, ready = threading.Event(), threading.Barrier(2)

    def serves() -> None:
        ready.wait(10)
        ended.wait(10)

    def look() -> dict[str, bool]:
        found: list[Root] = []
        thread = threading.Thread(target=lambda: found.extend(find_roots(get_ident())))
        thread.start()
        thread.join()
        return {
            root.label.replace(" ", ".").rpartition(".")[2]: root.lasts
            for root in found
            if not root.is_module
        }

    other = threading.Thread(target=serves)
    other.start()
    ready.wait(10)
    try:
        lasting = look()
    finally:
        ended.set()
        other.join()
    assert (lasting["look()"], lasting["serves()"]) == (True, False)
    assert not lasting["pytest_pyfunc_call()"]


@pytest.mark.parametrize("runs", [False, True])
def test_a_task_that_runs_has_the_roots_of_one_that_waits(runs: bool) -> None:
    """Its coroutines are the task's at any instant, none the thread's, each once; a callback's frame does not last."""
    found: list[Root] = []

    def look() -> None:
        found.extend(root for root in find_roots(get_ident()) if not root.is_module)

    async def inner() -> None:
        if runs:
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        else:
            await asyncio.to_thread(look)

    async def outer() -> None:
        await inner()

    asyncio.run(outer())
    of_test = [root for root in found if root.label.endswith(("outer()", "inner()"))]
    function = "test_a_task_that_runs_has_the_roots_of_one_that_waits." if sys.version_info >= (3, 11) else ""
    assert [root.label for root in of_test] == [
        f"task {__name__}.{function}outer()",
        f"task {__name__}.{function}outer(): {function}inner()",
    ]
    assert [(root.lasts, bool(root.coroutine)) for root in of_test] == [(False, True), (False, False)]


def test_a_callback_of_the_event_loop_does_not_last() -> None:
    """It runs in the main thread, but only at this instant."""
    found: list[Root] = []

    def called(loop: asyncio.AbstractEventLoop) -> None:
        thread = threading.Thread(target=lambda: found.extend(find_roots(get_ident())))
        thread.start()
        thread.join()
        loop.stop()

    loop = asyncio.new_event_loop()
    loop.call_soon(called, loop)
    loop.run_forever()
    loop.close()
    assert [root.lasts for root in found if root.label.endswith("called()")] == [False]
    assert [root.lasts for root in found if root.label.endswith("does_not_last()")] == [True]
