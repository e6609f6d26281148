"""Roll-outs: series of one workload that follow one another are one service with several lives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from analysis.prometheus.answers import Labels
from analysis.prometheus.lives import IDENTITY, Lives, workload

OVERLAP_S: Final = 600.0
"""Time for which the processes before and after a roll-out may both run, seconds."""
MOST_NAME: Final = 60
"""Characters of a name; of a longer one the middle is left out."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One service over its roll-outs and restarts, judged by itself."""

    name: str
    """Unique among the chains; begins with no dot and has no slash."""
    parts: tuple[Lives, ...]
    """Its series in order of time, one for each roll-out."""

    @property
    def t_s(self) -> Numbers:
        """Times of all samples, part after part, seconds since 1970; parts may overlap."""
        return np.concatenate([one.series.t_s for one in self.parts])

    @property
    def value(self) -> Numbers:
        """Memory, bytes, shape as ``t_s``."""
        return np.concatenate([one.series.value for one in self.parts])

    @property
    def life(self) -> Numbers:
        """Number of the life of each sample, from 1."""
        first, found = 1.0, []
        for one in self.parts:
            found.append(one.life + first)
            first += one.restarts + 1
        return np.concatenate(found)

    @property
    def rollouts(self) -> int:
        """Parts but the first."""
        return len(self.parts) - 1

    @property
    def restarts(self) -> int:
        """Restarts within parts."""
        return sum(one.restarts for one in self.parts)


def chain_rollouts(series: tuple[Lives, ...]) -> tuple[Chain, ...]:
    """Return the services, in order of name.

    Series whose labels are equal but for IDENTITY follow one another where one begins at most OVERLAP_S before the
    other ends: of several that have ended, that one is continued whose end is nearest.
    """
    groups: dict[Labels, list[list[Lives]]] = {}
    for one in sorted(series, key=lambda one: (one.series.t_s[0], one.series.labels)):
        chains = groups.setdefault(workload(one.series.labels), [])
        begins_s = one.series.t_s[0]
        over = [chain for chain in chains if chain[-1].series.t_s[-1] - OVERLAP_S <= begins_s]
        over = [chain for chain in over if chain[-1].series.t_s[-1] < one.series.t_s[-1]]
        if over:
            min(over, key=lambda chain: abs(chain[-1].series.t_s[-1] - begins_s)).append(one)
        else:
            chains.append([one])
    return _named([(labels, tuple(parts)) for labels, chains in groups.items() for parts in chains])


def _named(found: list[tuple[Labels, tuple[Lives, ...]]]) -> tuple[Chain, ...]:
    """Return the chains with short names: of the workload and, where it has several, of the newest process."""
    groups = [dict(labels) for labels, _ in found]
    differ = sorted({name for each in groups for name in each if len({one.get(name) for one in groups}) > 1})
    chains = []
    for labels, parts in found:
        many = sum(labels == others for others, _ in found) > 1
        names = [dict(labels).get(name, "") for name in differ]
        newest = parts[-1].series
        if many or not any(names):
            names.append(next((newest.label(name) for name in IDENTITY if newest.label(name)), ""))
        if not any(names):
            names = [dict(labels).get("job", "") or dict(labels).get("container", "") or "memory"]
        chains.append(Chain(_short(" ".join(filter(None, names))), parts))
    used: dict[str, int] = {}
    unique = []
    for chain in sorted(chains, key=lambda chain: chain.name):
        used[chain.name] = number = used.get(chain.name, 0) + 1
        unique.append(chain if number == 1 else replace(chain, name=f"{chain.name} #{number}"))
    return tuple(unique)


def _short(text: str) -> str:
    """Return a name as the report takes it."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    plain = plain.replace("/", "|").lstrip(". ") or "memory"
    half = MOST_NAME // 2 - 1
    return plain if len(plain) <= MOST_NAME else f"{plain[:half]}..{plain[-half:]}"
