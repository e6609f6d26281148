"""The services that were found: one signal each, with what is to be known beside its verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.formatting import format_duration
from analysis.judge.types import ARENA_BYTES, Numbers, SignalSeries
from analysis.prometheus.lives import MOST_UNKNOWN_SHARE, cut_lives
from analysis.prometheus.objections import service_objections
from analysis.prometheus.question import Found
from analysis.prometheus.requests import answered, requests_of
from analysis.prometheus.rollouts import Chain, chain_rollouts
from analysis.verdict.daily_load import longest_watched_s, watched
from analysis.verdict.signals import MOST_UNREAD_SHARE, RSS, WITH_FILES
from analysis.verdict.validity import Objection


@dataclass(frozen=True, slots=True)
class Service:
    """One service over its roll-outs and restarts, ready to be judged."""

    chain: Chain
    readings: SignalSeries
    """Times since the start of the span; requests are NaN where they are not known for all of it."""
    objections: tuple[Objection, ...]
    notes: tuple[str, ...]
    """Sentences without a full stop."""

    @property
    def name(self) -> str:
        """Its name, unique among the services."""
        return self.chain.name

    @property
    def requests_known(self) -> bool:
        """Whether its requests are known."""
        return bool(np.isfinite(self.readings.requests).all())


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """What is to be known of a service beside its verdict."""

    service: str
    samples: int
    rollouts: int
    restarts: int
    longest_life_s: float
    """Longest life watched, seconds."""
    memory_bytes: float | None
    """Memory at the newest sample; None where it was not read."""
    requests_per_s: float | None
    """Mean of the requests per second; None where they are not known."""
    ratio: float | None
    """Requests of the busiest hour as a multiple of those of the quietest; None where they are not known."""


def service_row(service: Service) -> ServiceRow:
    """Return what a table has of a service."""
    readings, seen = service.readings, watched(service.readings)
    known = readings.value[np.argsort(readings.t_s, kind="stable")]
    known = known[np.isfinite(known)]
    span_s = float(np.ptp(readings.t_s))
    return ServiceRow(
        service=service.name,
        samples=len(known),
        rollouts=service.chain.rollouts,
        restarts=service.chain.restarts,
        longest_life_s=seen.longest_life_s,
        memory_bytes=float(known[-1]) if len(known) else None,
        requests_per_s=float(np.ptp(readings.requests)) / span_s
        if seen.ratio is not None and span_s
        else None,
        ratio=seen.ratio,
    )


def services(found: Found) -> tuple[Service, ...]:
    """Return the services whose memory was found, in order of name."""
    chains = chain_rollouts(cut_lives(found.memory, found.starts))
    return tuple(_service(found, chain) for chain in chains)


def _service(found: Found, chain: Chain) -> Service:
    question = found.question
    t_s = chain.t_s
    requests, about_requests = _requests(found, chain, t_s)
    readings = SignalSeries(
        WITH_FILES if question.memory.counts_files else RSS,
        t_s - question.span.start_s,
        np.where(chain.value > 0, chain.value, np.nan),
        chain.life,
        requests,
        quantum=ARENA_BYTES,
    )
    read_s = np.unique(readings.t_s[np.isfinite(readings.value)])
    unseen_s = _unseen_at_end(read_s, question.span.length_s)
    last_seen = (f"last seen {format_duration(unseen_s)} before the end",) if unseen_s else ()
    notes = (*_story(chain), *_gaps(read_s), *last_seen, *about_requests)
    vanished_s = unseen_s if unseen_s > MOST_UNREAD_SHARE * question.span.length_s else 0.0
    return Service(chain, readings, service_objections(question.memory, chain, readings, vanished_s), notes)


def _requests(found: Found, chain: Chain, t_s: Numbers) -> tuple[Numbers, tuple[str, ...]]:
    """Return the requests so far at each reading, and what is wrong with them."""
    query = found.question.requests
    unknown = np.full(len(t_s), np.nan)
    if query is None:
        return unknown, ()
    mine = {one.labels: one for part in chain.parts for one in requests_of(part.series, found.requests)}
    if not mine:
        return unknown, (f"requests not known: no series of {query.option} has its labels",)
    total = answered(tuple(mine.values()), query, t_s)
    known = np.isfinite(total)
    if (~known).mean() > MOST_UNKNOWN_SHARE:
        return unknown, (f"requests not known: none were read for {(~known).mean():.0%} of its samples",)
    order = np.argsort(t_s[known], kind="stable")
    return np.interp(t_s, t_s[known][order], total[known][order]), ()


def _story(chain: Chain) -> tuple[str, ...]:
    counts = ((chain.rollouts, "roll-out"), (chain.restarts, "restart"))
    parts = [f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count]
    return (", ".join(parts),) if parts else ()


def _gaps(read_s: Numbers) -> tuple[str, ...]:
    """Return for how long nothing was read between samples; ``read_s`` are their times in order."""
    steps = np.diff(read_s)
    gaps = steps[steps > longest_watched_s(read_s)]
    if not len(gaps):
        return ()
    return (
        f"no samples for {format_duration(float(gaps.sum()))}, the longest time {format_duration(float(gaps.max()))}",
    )


def _unseen_at_end(read_s: Numbers, end_s: float) -> float:
    """Return for how long nothing was read before the end, seconds; 0 where the next sample is only not there yet."""
    unseen_s = end_s - float(read_s[-1]) if len(read_s) else 0.0
    return unseen_s if unseen_s > longest_watched_s(read_s) else 0.0
