import asyncio

from gateway.variants.published_tasks import TaskManager


async def settle() -> None:
    """Let callbacks that are due run."""
    for _ in range(3):
        await asyncio.sleep(0)


async def wait_for(gate: asyncio.Event) -> None:
    await gate.wait()


def test_a_task_is_held_until_it_is_done() -> None:
    """A running task is counted; a finished one leaves by its callback."""

    async def scenario() -> None:
        manager, gate = TaskManager(), asyncio.Event()
        manager.create_task(wait_for(gate), "work")
        await settle()
        assert manager.get_active_task_count() == 1
        gate.set()
        await settle()
        assert manager.get_active_task_count() == 0
        await manager.shutdown()

    asyncio.run(scenario())


def test_the_sweep_drops_what_a_callback_missed() -> None:
    """Every 60 s tasks that are done are dropped, and those that run are kept."""

    async def scenario() -> None:
        ticks: asyncio.Queue[None] = asyncio.Queue()
        intervals: asyncio.Queue[float] = asyncio.Queue()

        async def sleep(seconds: float) -> None:
            intervals.put_nowait(seconds)
            await ticks.get()

        manager, gate = TaskManager(sleep), asyncio.Event()
        manager.create_task(wait_for(gate), "running")
        missed = asyncio.create_task(asyncio.sleep(0))
        await missed
        manager._tasks.add(missed)
        assert await intervals.get() == 60
        assert manager.get_active_task_count() == 2
        ticks.put_nowait(None)
        assert await intervals.get() == 60
        assert manager.get_active_task_count() == 1
        await manager.shutdown()

    asyncio.run(scenario())


def test_shutdown_ends_every_task() -> None:
    """Afterwards neither a task nor the sweep is left; a second time does no harm."""

    async def scenario() -> None:
        manager = TaskManager()
        manager.create_task(wait_for(asyncio.Event()), "endless")
        await settle()
        for _ in range(2):
            await manager.shutdown()
        assert manager.get_active_task_count() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
