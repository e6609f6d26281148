import asyncio
from dataclasses import dataclass

import pytest

from gateway.watchdog import REPEAT_S, WATCH_EVERY_S, WINDOW_S, MemoryWatchdog

MB = 1_000_000


@dataclass
class Script:
    """A clock and a memory that a test moves by hand."""

    now_s: float = 0.0
    size_bytes: float = 100 * MB

    def watchdog(self, memory_bytes: float = 300 * MB, growth_bytes_per_s: float = 100_000) -> MemoryWatchdog:
        return MemoryWatchdog(
            memory_bytes, growth_bytes_per_s, read=lambda: int(self.size_bytes), clock=lambda: self.now_s
        )

    def play(self, watchdog: MemoryWatchdog, seconds: float, bytes_per_s: float = 0.0) -> None:
        """Let time pass and memory grow, with a check at each of its instants."""
        for _ in range(round(seconds / WATCH_EVERY_S)):
            watchdog.check()
            self.now_s += WATCH_EVERY_S
            self.size_bytes += bytes_per_s * WATCH_EVERY_S


def test_a_level_is_warned_of_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """Memory above the level is one warning per interval for as long as it lasts, none before or after."""
    script = Script(size_bytes=300 * MB)
    watchdog = script.watchdog()
    script.play(watchdog, 100)
    assert caplog.messages == []
    script.size_bytes = 301 * MB
    script.play(watchdog, REPEAT_S)
    message = "memory above the threshold: 301 MB, more than 300 MB"
    assert caplog.messages == [message]
    script.play(watchdog, WATCH_EVERY_S)
    assert caplog.messages == [message, message]
    script.size_bytes = 100 * MB
    script.play(watchdog, 3 * REPEAT_S)
    assert caplog.messages == [message, message]


def test_growth_is_warned_of_when_the_window_is_full(caplog: pytest.LogCaptureFixture) -> None:
    """Growth is judged over the whole window, not from the first readings, and repeated once per interval."""
    script = Script()
    watchdog = script.watchdog(memory_bytes=1e12)
    script.play(watchdog, WINDOW_S, bytes_per_s=150_000)
    assert caplog.messages == []
    script.play(watchdog, WATCH_EVERY_S, bytes_per_s=150_000)
    message = "memory grows: 150 kB/s over 300 s, more than 100 kB/s"
    assert caplog.messages == [message]
    script.play(watchdog, REPEAT_S - WATCH_EVERY_S, bytes_per_s=150_000)
    assert caplog.messages == [message]
    script.play(watchdog, WATCH_EVERY_S, bytes_per_s=150_000)
    assert caplog.messages == [message, message]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("bytes_per_s", [-150_000, 0, 99_000])
def test_slow_growth_is_not_warned_of(bytes_per_s: float, caplog: pytest.LogCaptureFixture) -> None:
    """Memory that shrinks, stands still or grows below the rate is nobody's business."""
    script = Script(size_bytes=1000 * MB)
    script.play(script.watchdog(memory_bytes=1e12), 3 * WINDOW_S, bytes_per_s)
    assert caplog.messages == []


def test_a_step_leaves_the_window(caplog: pytest.LogCaptureFixture) -> None:
    """A cache that fills at once is growth for as long as the window holds it, and then no more."""
    script = Script()
    watchdog = script.watchdog()
    script.play(watchdog, WINDOW_S)
    script.size_bytes += 60 * MB
    script.play(watchdog, 10 * WINDOW_S)
    assert caplog.messages == ["memory grows: 200 kB/s over 300 s, more than 100 kB/s"]


def test_level_and_growth_are_warned_of_apart(caplog: pytest.LogCaptureFixture) -> None:
    """One warning does not use up the other's turn."""
    script = Script(size_bytes=290 * MB)
    script.play(script.watchdog(), WINDOW_S + WATCH_EVERY_S, bytes_per_s=1 * MB)
    assert caplog.messages == [
        "memory above the threshold: 310 MB, more than 300 MB",
        "memory grows: 1000 kB/s over 300 s, more than 100 kB/s",
    ]


def test_it_checks_until_it_is_cancelled() -> None:
    """A check at once, and one after each pause of ten seconds."""

    async def scenario() -> None:
        pauses: asyncio.Queue[float] = asyncio.Queue()
        ticks: asyncio.Queue[None] = asyncio.Queue()
        reads: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.put_nowait(seconds)
            await ticks.get()

        def read() -> int:
            reads.append(1)
            return 1

        watching = asyncio.create_task(MemoryWatchdog(2, 1, read=read, sleep=sleep).run())
        for checks in (1, 2, 3):
            assert await pauses.get() == WATCH_EVERY_S == 10
            assert len(reads) == checks
            ticks.put_nowait(None)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    asyncio.run(scenario())
