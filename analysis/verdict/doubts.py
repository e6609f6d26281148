"""What makes a verdict on an arm doubtful that its signals do not show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from analysis.formatting import HOUR_S, format_bytes
from analysis.judge import judge_signal
from analysis.judge.one_life import LONG_SHARE
from analysis.judge.types import LEAK, NO_LEAK, Judgement, Margin, Verdict
from analysis.recording.accounting import HELD, OWN, REST
from analysis.recording.model import Arm, Phase, within
from analysis.verdict.decision import Decision, Served
from analysis.verdict.kills import unexplained_kills
from analysis.verdict.other_explanations import counted_often
from analysis.verdict.pauses import taken_back
from analysis.verdict.processes import process_rows, rise_of_levels, unread_process
from analysis.verdict.signals import RSS, USS, Evidence, Signal, ticks_of
from analysis.verdict.validity import ALIVE_AT_LEAST, Objection, ObjectionKind
from soak.contract import verdict_name


def doubts_of_no_leak(
    arm: Arm, load: Phase, margin: Margin, error: float, found: Evidence, decided: Decision
) -> tuple[Objection, ...]:
    """Return an objection where a leak may be in what was not read, in one process, or beside the processes."""
    doubts = (
        [unexplained_kills(arm, load), unread_process(arm, load)],
        _of_a_process(arm, load, margin, error),
        _of_levels(arm, found, decided, margin),
        _of_the_kernel(decided),
        _of_ticks(arm, load, found.whole, error, LEAK),
        _of_pauses(arm, load, found.whole),
        _of_a_part(arm, load, found),
    )
    text = next((text for text in chain.from_iterable(doubts) if text), "")
    return (Objection(arm.name, ObjectionKind.UNREAD, text),) if text else ()


def doubts_of_leak(
    arm: Arm, load: Phase, margin: Margin, error: float, found: Evidence, leading: Judgement, served: Served
) -> tuple[Objection, ...]:
    """Return an objection where a leak is of the quiesce points alone, or of what several processes map."""
    signal = next((one for one in (found.whole, *found.parts) if one.readings.signal == leading.signal), None)
    of_ticks = () if signal is None else _of_ticks(arm, load, signal, error, NO_LEAK)
    text = next(chain(of_ticks, _of_shared(arm, load, margin, leading, served)), "")
    return (Objection(arm.name, ObjectionKind.GAP, text),) if text else ()


def _of_shared(arm: Arm, load: Phase, margin: Margin, leading: Judgement, served: Served) -> Iterator[str]:
    """Yield a clause where a leak would be below the margin if what several processes map were there once."""
    rate, least = margin.of(leading.per_s, leading.per_request), margin.amount
    amount = margin.of(served.load_s, served.requests)
    often = counted_often(arm, load) if leading.signal in (OWN, HELD, REST) else 0.0
    if rate is None or least is None or not often or rate.low * amount - often > least * amount:
        return
    yield (
        f"{format_bytes(often)} of the growth are shared memory that several of its processes map, which may be the "
        "same: a memory limit (limit.memory) counts each page once"
    )


def _of_a_process(arm: Arm, load: Phase, margin: Margin, error: float) -> Iterator[str]:
    """Yield a clause where one process grows by more than the arm's margin, and their sum does not.

    Where processes come and go, each stretch between is a life of the sum with a level and a warm-up of its own, which
    may take up what leaks in one of them. One that is not there throughout may still warm up: it has to be a leak.
    """
    if len(arm.lives) < 2:
        return
    for row in process_rows(arm, load, margin, error=error):
        low, least = margin.of(row.bytes_per_s_low, row.bytes_per_request_low), margin.amount
        alive = (row.to_s - row.from_s) / (load.end_s - load.start_s)
        counts = alive >= ALIVE_AT_LEAST or (alive >= LONG_SHARE and row.growth == "grows")
        if counts and low is not None and least is not None and low > least:
            which = f"its process {row.pid or ''}, life {row.life},"
            yield f"{which} grows by more than the margin ({row.reason}), though the sum over all does not"


def _of_levels(arm: Arm, found: Evidence, decided: Decision, margin: Margin) -> Iterator[str]:
    """Yield a clause where what is cleared rises with each process that comes or goes, by more than the margin."""
    for signal, one, name in (
        (found.whole, decided.whole, "its memory"),
        (found.charged, decided.charged, "what its memory limit charges"),
    ):
        if signal is None or one is None or one.judgement.verdict != NO_LEAK:
            continue
        if (rise := rise_of_levels(arm, signal.readings, margin)) is not None:
            rate = margin.of(f"{format_bytes(rise * HOUR_S)}/h", f"{format_bytes(rise)}/request")
            yield f"{name} grows by {rate} or more as its processes come and go, though not while they stay the same"


def _of_the_kernel(decided: Decision) -> Iterator[str]:
    """Yield a clause where kernel memory that the limit charges grows beside the processes."""
    if decided.kernel is not None and decided.kernel.judgement.verdict == LEAK:
        yield (
            f"kernel memory of its control group grows ({decided.kernel.judgement.reason}), which no process has: "
            "buffers of sockets and pipes, ended children that nobody waited for; with cgroup v1 also caches of names "
            "of files"
        )


def _of_a_part(arm: Arm, load: Phase, found: Evidence) -> Iterator[str]:
    """Yield a clause where memory was cleared by a reading that may not see what another saw in a part of the load."""
    name = found.whole.readings.signal
    read = within(arm.samples, load.start_s, load.end_s)[OWN].notna()
    if name in (USS, RSS) and read.any():
        yield (
            f"its own memory was read at {read.sum():,} of {len(read):,} ticks, with gaps, and "
            f"{name.removesuffix('_bytes')} lacks files on tmpfs and what is swapped out"
        )


def _of_ticks(arm: Arm, load: Phase, signal: Signal, error: float, other: Verdict) -> Iterator[str]:
    """Yield a clause where the readings between quiesce points have the verdict ``other``.

    Points are as far apart as the beats of a timer of the service may be: of what that fills and empties they can draw
    a straight line.
    """
    ticks = ticks_of(arm, load, signal) if signal.readings.settled else None
    if ticks is None:
        return
    judgement = judge_signal(
        ticks.readings, ticks.margin, limit_bytes=ticks.limit, alpha=error, detectable=False
    )
    if judgement.verdict == other:
        yield (
            f"at quiesce points it is {verdict_name(NO_LEAK if other == LEAK else LEAK)}, and between them "
            f"{verdict_name(other)} ({judgement.reason}): a timer of its own may keep step with them, so set "
            "sampling.quiesce_every_s to another time, or leave it out"
        )


def _of_pauses(arm: Arm, load: Phase, signal: Signal) -> Iterator[str]:
    """Yield a clause where the pauses of quiesce points take back the margin or more.

    As of a service that tidies up when it is idle: under load it may never be.
    """
    margin = signal.margin.amount
    if not signal.readings.settled or margin is None:
        return
    taken = taken_back(arm, load, signal.readings, per_request=signal.margin.per_request is not None)
    if taken is not None and taken >= margin:
        rate = signal.margin.of(f"{format_bytes(taken * HOUR_S)}/h", f"{format_bytes(taken)}/request")
        yield (
            f"its memory grows by {rate} between quiesce points, and falls in their pauses: what is freed when it is "
            "idle may never be under load, so leave out sampling.quiesce_every_s"
        )
