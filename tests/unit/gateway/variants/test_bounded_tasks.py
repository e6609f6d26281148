import asyncio
from collections.abc import Coroutine

import pytest

from gateway.failures import OverloadedError
from gateway.variants.bounded_tasks import BoundedTaskManager


def manager(max_work: int = 2) -> BoundedTaskManager:
    """Return a manager whose tasks are expected to raise nothing."""
    return BoundedTaskManager(max_work, on_error=lambda error: pytest.fail(repr(error)))


async def settle() -> None:
    """Let callbacks that are due run."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_task_is_held_until_it_is_done() -> None:
    """A running task is owned; a finished one leaves nothing behind."""

    async def scenario() -> None:
        tasks, gate = manager(), asyncio.Event()
        tasks.create_task(_wait(gate), "work")
        await settle()
        assert len(tasks) == 1
        gate.set()
        await settle()
        assert len(tasks) == 0

    asyncio.run(scenario())


def test_requests_and_tasks_share_the_bound() -> None:
    """With every place taken by a task or a request the next request is refused; a freed place is free."""

    async def scenario() -> None:
        tasks, gate = manager(max_work=2), asyncio.Event()
        tasks.create_task(_wait(gate), "work")
        with tasks.in_flight():
            with pytest.raises(OverloadedError, match=r"^2 requests are being worked on; try again later$"):
                tasks.in_flight().__enter__()
            gate.set()
            await settle()
            with tasks.in_flight():
                pass

    asyncio.run(scenario())


def test_a_failed_request_gives_its_place_back() -> None:
    """A place is free again however the request ended."""
    tasks = manager(max_work=1)
    for _ in range(3):
        with pytest.raises(KeyError), tasks.in_flight():
            raise KeyError


def test_sweep_drops_what_a_callback_missed() -> None:
    """A finished task whose done-callback never ran is dropped by the sweep; a running one is not."""

    async def scenario() -> None:
        tasks, gate = manager(), asyncio.Event()
        tasks.create_task(asyncio.sleep(0), "done")
        tasks.create_task(_wait(gate), "running")
        (done,) = (task for task in tasks._tasks if task.get_name() == "done")
        done.remove_done_callback(tasks._finish)
        await settle()
        assert len(tasks) == 2
        tasks.sweep()
        assert [task.get_name() for task in tasks._tasks] == ["running"]
        gate.set()
        await settle()

    asyncio.run(scenario())


def test_an_error_in_a_task_is_handed_over() -> None:
    """What a task raises is reported once, by whoever finds the task done."""
    errors: list[BaseException] = []

    async def scenario() -> None:
        tasks = BoundedTaskManager(1, on_error=errors.append)
        tasks.create_task(_fail(), "work")
        await settle()
        tasks.sweep()

    asyncio.run(scenario())
    assert [repr(error) for error in errors] == ["KeyError('planted')"]


@pytest.mark.parametrize("stubborn", [False, True])
def test_shutdown_ends_in_time(stubborn: bool) -> None:
    """Shutdown waits for what finishes, cancels what does not, and gives up on what ignores that."""

    async def scenario() -> None:
        tasks, gate, ended = manager(max_work=3), asyncio.Event(), asyncio.Event()
        tasks.create_task(asyncio.sleep(0.001), "quick")
        tasks.create_task(_ignore_cancel(gate) if stubborn else _note_cancel(gate, ended), "late")
        await asyncio.wait_for(tasks.shutdown(timeout_s=0.02), timeout=5)
        assert ended.is_set() is not stubborn
        assert [task.get_name() for task in tasks._tasks] == (["late"] if stubborn else [])
        gate.set()
        await settle()

    asyncio.run(scenario())


async def _wait(gate: asyncio.Event) -> None:
    await gate.wait()


async def _fail() -> None:
    raise KeyError("planted")


async def _note_cancel(gate: asyncio.Event, ended: asyncio.Event) -> None:
    try:
        await gate.wait()
    finally:
        ended.set()


def _ignore_cancel(gate: asyncio.Event) -> Coroutine[None, None, None]:
    async def work() -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    return work()
