"""The services of ``make bench-live`` are what they are called."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from bench.targets.live_app import HEALTHY, Work, leak

BODY = 200


def _kept_per_request(work: Work, before: int, requests: int) -> float:
    """Return the bytes that ``requests`` more keep, each, after ``before`` have filled what is bounded."""
    for number in range(before):
        work(b"%0*d" % (BODY, number))
    gc.collect()
    tracemalloc.start()
    start_bytes, _ = tracemalloc.get_traced_memory()
    for number in range(before, before + requests):
        work(b"%0*d" % (BODY, number))
    gc.collect()
    end_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (end_bytes - start_bytes) / requests


@pytest.mark.parametrize("size_bytes", [200, 2000])
def test_a_leak_keeps_its_bytes(size_bytes: int) -> None:
    """``leak-N`` keeps N bytes per request, within a tenth."""
    assert _kept_per_request(leak(size_bytes), 1000, 2000) == pytest.approx(size_bytes, rel=0.1)


@pytest.mark.parametrize("kind", ["flat", "lru", "lru-small", "cycles", "sliding"])
def test_what_is_healthy_stops_growing(kind: str) -> None:
    """Once what it holds is full, a healthy service keeps the same number of objects, whatever is asked."""
    work = HEALTHY[kind]()
    for number in range(6000):
        work(b"%0*d" % (BODY, number))
    gc.collect()
    before = len(gc.get_objects())
    for number in range(6000, 8000):
        work(b"%0*d" % (BODY, number))
    gc.collect()
    assert len(gc.get_objects()) - before < 20
