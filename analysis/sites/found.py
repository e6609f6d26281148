"""What the replay of an arm found, beside what the arm leaks: computed once, shown by every report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from analysis.judge.types import INCONCLUSIVE, NO_LEAK
from analysis.recording.manifest import ManifestReplay
from analysis.recording.model import Recording
from analysis.recording.replay import Site
from analysis.sites.native.groups import MOST_OF_IT
from analysis.sites.rows import by_line
from analysis.verdict.arm import ArmVerdict
from soak.contract import PASSES

PAST_ALLOCATORS: Final = 0.5
"""Share of the leak that the sites of Python's allocators explain, below which the rest is worth a sentence."""
PYTHON: Final = PASSES[0]
UNKNOWN: Final = ManifestReplay(
    status="interrupted", reason="its end was not recorded", seconds=0.0, requests=0
)
"""A replay of which the manifest has nothing: the run was killed before it was written."""


@dataclass(frozen=True, slots=True)
class ArmSites:
    """The replay of an arm: what it came to, and the sites of its passes."""

    arm: str
    status: Literal["done", "refused", "interrupted"]
    reason: str
    """Why it was refused or ended early; empty where it was done."""
    seconds: float
    requests: int
    sites: tuple[Site, ...]
    """In the order of their passes and ranks; those of one task are together one."""
    rows: tuple[Site, ...]
    """The same as sites.csv has them."""
    leak: float | None
    """What the arm leaks by its verdict, bytes per request; None where that is not known."""
    gaps: tuple[str, ...] = ()
    """Sentences on what of its files is damaged."""
    no_leak: str = ""
    """Why no line is a part of its leak, as ``why_no_leak``."""
    passes: tuple[str, ...] = ()
    """The passes whose points were analysed."""

    @property
    def explained_share(self) -> float | None:
        """Part of the leak that the sites of the pass that explains most allocate; None where it is not known."""
        if self.leak is None or self.leak <= 0 or not self.rows:
            return None
        return max(self.total(of_pass) for of_pass in PASSES) / self.leak

    def total(self, of_pass: str) -> float:
        """Return the bytes per request of all sites of a pass."""
        return sum(site.bytes_per_request for site in self.rows if site.of_pass == of_pass)


def arm_sites(recording: Recording, verdicts: Iterable[ArmVerdict]) -> tuple[ArmSites, ...]:
    """Return what was found of each arm that was replayed or refused to be, in the order of ``verdicts``."""
    by_name = {arm.name: arm for arm in recording.arms}
    found = []
    for verdict in verdicts:
        replayed = recording.manifest.replay.get(verdict.arm)
        if verdict.arm not in by_name:
            continue
        files = by_name[verdict.arm].replay
        if replayed is None and not files.sites:
            continue
        replayed = replayed or UNKNOWN
        memory = verdict.memory
        rate = memory.per_request if memory else None
        found.append(
            ArmSites(
                verdict.arm,
                replayed.status,
                replayed.reason,
                replayed.seconds,
                replayed.requests,
                together(files.sites),
                files.sites,
                rate.value if rate else None,
                files.gaps,
                why_no_leak(verdict),
                replayed.passes,
            )
        )
    return tuple(found)


def why_no_leak(verdict: ArmVerdict) -> str:
    """Return why no line that grows in a replay allocates a leak of the arm, a clause; empty where one may.

    A site is a part of the leak that was measured. Of an arm that is NO LEAK a line that keeps less than the bound is
    none, and one that keeps more comes to an end, as the run is longer than the replay. Where the interval of memory
    includes 0, and no other signal leaks, no growth was measured that a line could be a part of.
    """
    if verdict.verdict == NO_LEAK:
        return "the run has no leak: what grows in the replay is below its bound, or fills up"
    rate = verdict.memory.per_s if verdict.memory else None
    is_open = verdict.verdict == INCONCLUSIVE and not any(signal.leaks for signal in verdict.signals)
    if is_open and rate is not None and rate.low <= 0:
        return "the run shows no leak: the interval of its memory includes 0"
    return ""


def together(sites: Iterable[Site]) -> tuple[Site, ...]:
    """Return the sites, those of one task as one: a task has many parts, and all are retained with it."""
    return by_line(_merged(sites, lambda site: site.task))


def of_lines(sites: Iterable[Site]) -> tuple[Site, ...]:
    """Return the sites, those of one line of yours as one."""
    return by_line(_merged(sites, lambda site: site.your_line))


def _merged(sites: Iterable[Site], key: Callable[[Site], str]) -> list[Site]:
    """Return the sites, those of a pass with the same key as one; without a key each is its own."""
    parts: dict[tuple[str, str], list[Site]] = {}
    for number, site in enumerate(sites):
        parts.setdefault((site.of_pass, key(site) or f"\n{number}"), []).append(site)
    return [_one(of_key) if len(of_key) > 1 else of_key[0] for of_key in parts.values()]


def _one(parts: list[Site]) -> Site:
    """Return the parts of a task, or of a line of yours, as one site, at the line of the largest.

    Its function is named where that allocates MOST_OF_IT, as at a line. The interval of a sum is that of its ends: all
    intervals hold together.
    """
    largest = max(parts, key=lambda part: part.bytes_per_request)
    is_task = bool(largest.task) and {part.task for part in parts} == {largest.task}
    places = (largest.your_line if is_task else "", largest.in_line, largest.allocated_line)
    most_at = next(filter(None, places), "")
    low = sum(part.bytes_per_request if part.low is None else part.low for part in parts)
    high = sum(part.bytes_per_request if part.high is None else part.high for part in parts)
    steady = [part for part in parts if part.low is not None]
    whole = sum(part.bytes_per_request for part in parts)
    of_function = sum(part.bytes_per_request for part in parts if part.function == largest.function)
    endpoints = {part.endpoint for part in parts}
    shares = [part.share for part in parts if part.share is not None]
    return replace(
        largest,
        your_line=f"task {largest.task}" if is_task else largest.your_line,
        source="" if is_task else largest.source,
        in_line=f"{len(parts)} lines, most at {most_at}",
        function=largest.function if of_function >= MOST_OF_IT * whole else "",
        bytes_per_request=whole,
        low=low if steady else None,
        high=high if steady else None,
        blocks_per_request=sum(part.blocks_per_request for part in steady or parts),
        share=sum(shares) if shares else None,
        endpoint=endpoints.pop() if len(endpoints) == 1 else "",
    )
