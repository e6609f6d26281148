import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest

from gateway.diagnostics import AllocationSite, MemoryDiagnostics, MemorySnapshot

SNAPSHOT = MemorySnapshot(
    "after an hour",
    rss_bytes=850_000_000,
    growth_bytes=650_000_000,
    largest=None,
    tasks=10_001,
    client_sessions=300,
    dicts=45_678,
)


def test_the_text_without_tracing() -> None:
    """The lines for people say how tracing would be had."""
    assert SNAPSHOT.text() == (
        "Memory: after an hour\n"
        "RSS: 850.0 MB, +650.0 MB since the start\n"
        "Largest allocations:\n"
        "  not traced: start Python with -X tracemalloc\n"
        "Objects: 10001 Task, 300 ClientSession, 45678 dict"
    )


def test_the_text_with_sites() -> None:
    """Each allocation site is a line; memory that shrank has its sign."""
    site = AllocationSite("gateway/variants/leaky.py", 75, 123_456_789, 1000)
    shrunk = replace(SNAPSHOT, growth_bytes=-1_500_000, largest=(site,))
    assert shrunk.text() == (
        "Memory: after an hour\n"
        "RSS: 850.0 MB, -1.5 MB since the start\n"
        "Largest allocations:\n"
        "  gateway/variants/leaky.py:75: 123.5 MB in 1000 blocks\n"
        "Objects: 10001 Task, 300 ClientSession, 45678 dict"
    )


def test_planted_objects_are_counted() -> None:
    """Tasks, sessions and dicts that are made between two snapshots are their difference; other types do not count."""

    class Task:
        """No asyncio.Task, in spite of its name."""

    async def scenario() -> None:
        diagnostics = MemoryDiagnostics()
        gc.collect()
        gc.disable()  # what others left behind must not go between the snapshots
        try:
            before = diagnostics.take_snapshot("before")
            tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(30)]
            sessions = [aiohttp.ClientSession() for _ in range(4)]
            others = [Task() for _ in range(50)]
            dicts = [{"holds": others} for _ in range(2000)]
            after = diagnostics.take_snapshot("after")
        finally:
            gc.enable()
        await asyncio.gather(*tasks)
        for session in sessions:
            await session.close()
        assert after.tasks - before.tasks == 30
        assert after.client_sessions - before.client_sessions == 4
        assert 2000 <= after.dicts - before.dicts <= 2000 + 200, f"sessions hold a few too; {len(dicts)}"
        assert (before.description, after.description) == ("before", "after")

    asyncio.run(scenario())


def test_growth_counts_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth is what was gained since the diagnostics were made, not since the last snapshot."""
    readings = iter([100, 150, 130])
    monkeypatch.setattr("gateway.diagnostics.process_memory_bytes", lambda: next(readings))
    diagnostics = MemoryDiagnostics()
    snapshots = [diagnostics.take_snapshot("") for _ in range(2)]
    assert [(taken.rss_bytes, taken.growth_bytes) for taken in snapshots] == [(150, 50), (130, 30)]


@pytest.fixture
def tracing() -> Iterator[None]:
    """Python traces allocations while the test runs."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_without_tracing_there_are_no_sites() -> None:
    """Nothing is traced unless Python was started so: a snapshot does not begin it."""
    assert MemoryDiagnostics().take_snapshot("").largest is None
    assert not tracemalloc.is_tracing()


@pytest.mark.usefixtures("tracing")
def test_the_largest_site_is_the_planted_one() -> None:
    """Of five sites, the first is the line that holds ten megabytes."""
    planted = [bytes(1_000_000) for _ in range(10)]
    largest = MemoryDiagnostics().take_snapshot("").largest
    assert largest is not None
    assert len(largest) == 5
    assert largest[0].file == __file__
    assert 10_000_000 <= largest[0].size_bytes <= 10_100_000
    assert largest[0].blocks in {10, 11}, f"{len(planted)} blocks and at most their list"
