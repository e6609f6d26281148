"""CensusScheduler made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soak.heap.model import Census, Container, TypeCount


def census(
    types: Mapping[str, tuple[int, int]] | None = None,
    lengths: Mapping[int, int] | None = None,
    *,
    at_s: float = 100.0,
    pid: int = 42,
    python: str = "3.12",
) -> Census:
    """Return a census of these types (objects, bytes) and of lists of these lengths by address."""
    counts: Sequence[TypeCount] = [TypeCount(name, *numbers) for name, numbers in (types or {}).items()]
    return Census(
        pid=pid,
        started_ticks=7,
        python=python,
        wall_time="2026-01-02T03:04:05.678+00:00",
        monotonic_s=at_s,
        types=tuple(counts),
        containers=tuple(
            Container(address, "builtins.list", length) for address, length in (lengths or {}).items()
        ),
        containers_over=1000,
        total_objects=sum(entry.objects for entry in counts),
        total_bytes=sum(entry.bytes for entry in counts),
        cost_s=0.25,
        cpu_s=0.2,
        read_bytes=64 << 20,
        checked_by="a sibling process",
        pool_free_bytes=4096,
    )
