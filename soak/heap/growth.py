"""Nominates leak suspects from census to census, in bounded memory; the report decides (``analysis.growth``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from soak.heap.model import Census, Container, HeapSuspect, TypeCount

NOMINATED_AFTER: Final = 2
"""A container, or a type, that grew from census to census so many times in a row is nominated; the report decides."""
SHOWN_AFTER: Final = 5
"""A container that grew so many times in a row is shown, where nobody decides afterwards: an address is used again, and
of lists of requests that lie at the same one, of any lengths, one in 720 seems to grow so often, two times one in 6."""


@dataclass(frozen=True, slots=True)
class GrowingContainer:
    """A container that was longer in each census than in the one before."""

    container: Container
    more: int
    """Items it gained since it was first seen."""
    seconds: float
    """Time since it was first seen, seconds."""
    censuses: int
    """Number of censuses in a row in which it had grown."""


@dataclass(frozen=True, slots=True)
class _Seen:
    first_length: int
    first_s: float
    length: int
    grown: int


class ContainerFollower:
    """Follows containers by address from census to census of one process.

    A container is a suspect ``after`` so many censuses in a row in which it had grown.
    """

    def __init__(self, after: int = NOMINATED_AFTER) -> None:
        self._after = after
        self._seen: dict[tuple[int, str], _Seen] = {}

    def add(self, census: Census) -> tuple[GrowingContainer, ...]:
        """Take in the next census; return the suspects, those with the most new items per second first.

        A container that did not grow is cleared: it starts over.
        """
        now_s = census.monotonic_s
        seen: dict[tuple[int, str], _Seen] = {}
        growing = []
        for container in census.containers:
            key = (container.address, container.type)
            before = self._seen.get(key)
            if before is None or container.length <= before.length:
                seen[key] = _Seen(container.length, now_s, container.length, 0)
                continue
            seen[key] = now = _Seen(before.first_length, before.first_s, container.length, before.grown + 1)
            if now.grown >= self._after:
                growing.append(
                    GrowingContainer(container, now.length - now.first_length, now_s - now.first_s, now.grown)
                )
        self._seen = seen
        return tuple(sorted(growing, key=lambda growth: -growth.more / max(growth.seconds, 1e-9)))


LARGEST_TYPES: Final = 60
"""Types that are recorded for their size, and as many for their growth."""
RECORDED_TYPES: Final = 150
RECORDED_CONTAINERS: Final = 100
SUSPECT_CONTAINERS: Final = 12
SUSPECT_TYPES: Final = 5


@dataclass(frozen=True, slots=True)
class _Type:
    first_bytes: int
    bytes: int
    grown: int


class HeapHistory:
    """The censuses of one process; keeps what the last one had, and where each thing began."""

    def __init__(self) -> None:
        self._follower = ContainerFollower()
        self._types: dict[str, _Type] = {}
        self._first: dict[tuple[int, str], int] = {}
        self._written: set[str] = set()
        self._census: Census | None = None
        self._suspects: tuple[HeapSuspect, ...] = ()

    def add(self, census: Census, *, settled: bool) -> None:
        """Take in the next census; ``settled`` is one after the load, which clears nothing of suspicion."""
        self._census = census
        self._first = {
            key: self._first.get(key, container.length)
            for container in census.containers
            for key in [(container.address, container.type)]
        }
        seen = {}
        for one in census.types:
            before = self._types.get(one.name)
            if before is None:
                seen[one.name] = _Type(one.bytes, one.bytes, 0)
            else:
                grown = before.grown + 1 if one.bytes > before.bytes else 0
                seen[one.name] = _Type(before.first_bytes, one.bytes, before.grown if settled else grown)
        self._types = seen
        if not settled:
            self._suspects = self._suspect(census)

    def types(self) -> list[TypeCount]:
        """Return the largest types, those that grew most since the first census, and those returned before."""
        if self._census is None:
            return []
        largest = self._census.types[:LARGEST_TYPES]
        grown = sorted(self._census.types, key=self._growth, reverse=True)[:LARGEST_TYPES]
        self._written |= {one.name for one in grown if self._growth(one) > 0}
        if len(self._written) > RECORDED_TYPES:
            self._written = {one.name for one in grown}
        chosen = self._written | {one.name for one in largest}
        return [one for one in self._census.types if one.name in chosen]

    def containers(self) -> list[Container]:
        """Return those that are longer than when they were first seen, the most growth first."""
        if self._census is None:
            return []
        grown = [one for one in self._census.containers if self._more(one) > 0]
        return sorted(grown, key=self._more, reverse=True)[:RECORDED_CONTAINERS]

    def suspects(self) -> tuple[HeapSuspect, ...]:
        """Return what grew in each of the last censuses under load."""
        return self._suspects

    def _suspect(self, census: Census) -> tuple[HeapSuspect, ...]:
        growing = [growth.container for growth in self._follower.add(census)][:SUSPECT_CONTAINERS]
        held = {container.type for container in growing}
        types = [
            one
            for one in census.types
            if self._types[one.name].grown >= NOMINATED_AFTER and one.name not in held
        ]
        types.sort(key=self._growth, reverse=True)
        return (
            *(HeapSuspect(one.address, one.type, one.length) for one in growing),
            *(HeapSuspect(0, one.name, one.objects) for one in types[:SUSPECT_TYPES]),
        )

    def _growth(self, one: TypeCount) -> int:
        return one.bytes - self._types[one.name].first_bytes

    def _more(self, container: Container) -> int:
        return container.length - self._first[(container.address, container.type)]
