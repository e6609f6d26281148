import asyncio
from typing import Any

import pytest

from gateway.variants.deadlines import Deadlines


def test_each_is_ended_after_its_own_time() -> None:
    """What began later is ended later, none before its time; what has ended in time is left alone."""
    timeout_s = 0.05

    async def scenario() -> None:
        deadlines, loop = Deadlines(timeout_s), asyncio.get_running_loop()

        async def hang(begin_after_s: float) -> float:
            await asyncio.sleep(begin_after_s)
            began_s = loop.time()
            deadline = deadlines.begin()
            with pytest.raises(TimeoutError):
                async with deadline:
                    await asyncio.Event().wait()
            deadlines.end(deadline)
            return loop.time() - began_s

        async def finish() -> None:
            deadline = deadlines.begin()
            async with deadline:
                await asyncio.sleep(0)
            deadlines.end(deadline)

        took_s = await asyncio.gather(hang(0.01), finish(), hang(0.0), hang(0.06))
        # the loop's clock has a resolution: a timer may come that much early
        assert min(seconds for seconds in took_s if seconds is not None) > timeout_s - 0.002

    asyncio.run(asyncio.wait_for(scenario(), timeout=5))


def test_cancelled_from_outside_it_is_no_time_out() -> None:
    """A task that is cancelled in its time stays cancelled."""

    async def scenario() -> None:
        deadlines = Deadlines(60)

        async def hang() -> None:
            async with deadlines.begin():
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_a_thousand_have_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many begin and end within the time, the event loop has one timer, and nothing is held of them."""
    timers: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def counted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(when, *rest, **more)

        monkeypatch.setattr(loop, "call_at", counted)
        deadlines = Deadlines(60)
        for _ in range(1000):
            deadline = deadlines.begin()
            async with deadline:
                pass
            deadlines.end(deadline)
        assert not deadlines._due

    asyncio.run(scenario())
    assert len(timers) == 1
