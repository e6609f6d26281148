"""The whole clears, the parts accuse: scripted judgements of signals, and the arm's that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from analysis.judge.types import (
    INCONCLUSIVE,
    LEAK,
    NO_LEAK,
    Judgement,
    Margin,
    Rate,
    ReasonCode,
    SignalSeries,
)
from analysis.verdict.decision import Decision, Served, decide
from analysis.verdict.other_explanations import ReportedFree
from analysis.verdict.signals import Evidence, Signal

MIB = 2**20
MARGIN = Margin(per_request=100.0)
SERVED = Served(load_s=600.0, requests=60_000.0)
LEAKING, BOUNDED, WIDE = ReasonCode.LEAKING, ReasonCode.BOUNDED, ReasonCode.WIDE_INTERVAL


def signal(name: str) -> Signal:
    """Return a signal of that name; the script alone decides what it is."""
    nothing = np.zeros(1)
    return Signal(SignalSeries(name, nothing, nothing, nothing, nothing), MARGIN)


def evident(reserve_bytes: float = 0.0) -> Evidence:
    """Return the signals of an arm that was read in parts."""
    parts = tuple(signal(f"{part}_bytes") for part in ("python", "native", "rest"))
    return Evidence(signal("held_bytes"), parts, (signal("tasks_alive"),), None, None, reserve_bytes)


class Script:
    """A judge with an answer by signal, else bounded at 20 B/request; of a share of the margin it has others."""

    def __init__(self, answers: Mapping[str, ReasonCode], of_a_share: Mapping[str, ReasonCode]) -> None:
        self.answers, self.of_a_share = answers, of_a_share

    def __call__(self, readings: SignalSeries, margin: Margin, **_: object) -> Judgement:
        answers = self.answers if margin == MARGIN else self.of_a_share
        code = answers.get(readings.signal, BOUNDED)
        rate = {LEAKING: Rate(300.0, 290.0, 310.0), BOUNDED: Rate(10.0, 0.0, 20.0)}.get(
            code, Rate(50.0, 0.0, 150.0)
        )
        return Judgement(readings.signal, code.verdict, "", rate.scaled(100), rate, reason_code=code)


def decided(
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, ReasonCode],
    evidence: Evidence | None = None,
    of_a_share: Mapping[str, ReasonCode] | None = None,
    free: ReportedFree | None = None,
) -> Decision:
    """Decide by the script."""
    monkeypatch.setattr("analysis.verdict.decision.judge_signal", Script(answers, of_a_share or {}))
    return decide(evidence or evident(), SERVED, free=free or ReportedFree())


def test_the_whole_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    """An undecided part is no obstacle: what it may have leaked is in the sum, which did not."""
    found = decided(monkeypatch, {"native_bytes": WIDE, "rest_bytes": WIDE})
    assert (found.leading.judgement.verdict, found.leading.judgement.signal) == (NO_LEAK, "held_bytes")
    undecided = decided(monkeypatch, {"held_bytes": WIDE}).leading.judgement
    assert (undecided.verdict, undecided.signal) == (INCONCLUSIVE, "held_bytes")


@pytest.mark.parametrize("name", ["python_bytes", "native_bytes", "rest_bytes", "tasks_alive"])
def test_a_part_or_a_count_accuses_whatever_the_whole_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its figures are the arm's."""
    leading = decided(monkeypatch, {name: LEAKING}).leading
    assert (leading.judgement.verdict, leading.judgement.signal) == (LEAK, name)


def test_a_count_accuses_of_more_than_the_drain_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of the load are gone after it: of a growth of 17.4 million at least, what it retains is a leak."""
    answers, tasks = {"tasks_alive": LEAKING}, signal("tasks_alive")
    retained = replace(evident(), counts=(replace(tasks, closed_by_drain=17_399_999.0),))
    assert decided(monkeypatch, answers, retained).leading.judgement.signal == "tasks_alive"
    gone = replace(evident(), counts=(replace(tasks, closed_by_drain=17_400_000.0),))
    undecided = decided(monkeypatch, answers, gone)
    leading = undecided.leading.judgement
    assert (leading.verdict, leading.signal) == (INCONCLUSIVE, "held_bytes")
    assert leading.reason_code is ReasonCode.CLOSED_BY_DRAIN
    assert leading.reason == (
        "tasks grew by 18,000,000 under load, and 17,400,000 were gone after it: the growth may be of what the load "
        "holds open, or a leak; a longer load would decide"
    )
    assert not any(one.leaks for one in undecided.signals)
    whole = decided(monkeypatch, answers | {"native_bytes": LEAKING}, gone).leading.judgement
    assert (whole.verdict, whole.signal) == (LEAK, "native_bytes")


def test_memory_leads_before_counts_and_the_whole_where_several_parts_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rate of one part would understate the leak."""
    answers = {"native_bytes": LEAKING, "tasks_alive": LEAKING}
    assert decided(monkeypatch, answers).leading.judgement.signal == "native_bytes"
    answers |= {"python_bytes": LEAKING, "held_bytes": LEAKING}
    assert decided(monkeypatch, answers).leading.judgement.signal == "held_bytes"


def test_a_leak_in_several_parts_is_called_although_none_is_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless one of them may be a cache that fills, judged by its share of the margin: then nothing is decided."""
    answers = dict.fromkeys(("python_bytes", "native_bytes", "rest_bytes"), WIDE) | {"held_bytes": LEAKING}
    assert decided(monkeypatch, answers).leading.judgement.verdict == LEAK
    found = decided(
        monkeypatch, answers, of_a_share={"python_bytes": ReasonCode.SATURATION}
    ).leading.judgement
    assert (found.verdict, found.reason_code) == (INCONCLUSIVE, ReasonCode.FILLING_PART)
    assert (
        found.reason
        == "memory grows in several parts, one of which could also be a cache that is still filling"
    )


def test_what_may_hide_in_the_reserve_is_above_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 MiB over 60,000 requests are 35 B: cleared; 6 MiB are 105 B: not, and how much more load would is stated."""
    cleared = decided(monkeypatch, {}, evident(2 * MIB)).leading.judgement
    assert cleared.verdict == NO_LEAK
    assert cleared.per_request is not None
    assert cleared.per_s is not None
    assert cleared.per_request.high == pytest.approx(20 + 2 * MIB / 60_000)
    assert cleared.per_s.high == pytest.approx(20 * 100 + 2 * MIB / 600)
    hidden = decided(monkeypatch, {}, evident(6 * MIB)).leading.judgement
    assert (hidden.verdict, hidden.reason_code) == (INCONCLUSIVE, ReasonCode.RESERVE)
    assert hidden.reason == (
        "a leak can hide in the 6.0 MiB that memory of no known allocator gained since the start, which may be free; "
        "1.2 times the load would decide"
    )
    assert hidden.more_s == pytest.approx(600 * 0.2486, rel=0.01)


def test_the_reserve_is_no_excuse_for_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can hide one, and makes none."""
    leading = decided(monkeypatch, {"rest_bytes": LEAKING}, evident(50 * MIB)).leading.judgement
    assert (leading.verdict, leading.per_request) == (LEAK, Rate(300.0, 290.0, 310.0))


@pytest.mark.parametrize(
    ("free", "code", "reason"),
    [
        (ReportedFree(own=9e6, malloc=5.9e6), BOUNDED, ""),
        (ReportedFree(own=9e6, malloc=9e6, trimmed=3.1e6), BOUNDED, ""),
        (ReportedFree(own=9e6, python=9e6, unseen=5.9e6), BOUNDED, ""),
        (ReportedFree(own=5.9e6, python=9e6), BOUNDED, ""),
        (
            ReportedFree(own=9e6, malloc=6.1e6),
            ReasonCode.UNCONFIRMED_FREE,
            "5.8 MiB of the growth are free by the target's own account alone; a trim in the quiesce ladder would "
            "confirm them",
        ),
        (
            ReportedFree(own=9e6, python=9e6),
            ReasonCode.UNCONFIRMED_FREE,
            "8.6 MiB of the growth are free by the target's own account alone; a heap census during the load "
            "(sampling.census_every_s) would confirm them",
        ),
        (
            ReportedFree(own=9e6, malloc=9e6, trimmed=2.9e6),
            ReasonCode.CONTRADICTED_FREE,
            "the probe contradicts malloc_trim: it reports 8.6 MiB more free than at the start, and 5.8 MiB of free "
            "memory are not confirmed",
        ),
        (
            ReportedFree(own=9e6, python=9e6, unseen=8e6),
            ReasonCode.CONTRADICTED_FREE,
            "the probe contradicts the heap census: it reports 8.6 MiB more free than at the start, and 7.6 MiB of "
            "free memory are not confirmed",
        ),
        (
            ReportedFree(own=9e6, python=4e6, unseen=4e6, malloc=3e6, trimmed=0.0),
            ReasonCode.CONTRADICTED_FREE,
            "the probe contradicts the heap census: it reports 3.8 MiB more free than at the start, and 6.7 MiB of "
            "free memory are not confirmed",
        ),
    ],
)  # fmt: skip
def test_free_memory_by_the_targets_account_alone_clears_nothing(
    monkeypatch: pytest.MonkeyPatch, free: ReportedFree, code: ReasonCode, reason: str
) -> None:
    """Once what is not confirmed exceeds the margin over the load, 6 MB."""
    found = decided(monkeypatch, {}, free=free).leading.judgement
    assert (found.verdict, found.reason_code, found.reason) == (code.verdict, code, reason)


def test_free_memory_is_no_excuse_for_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not confirmed can hide one, and makes none."""
    leading = decided(monkeypatch, {"rest_bytes": LEAKING}, free=ReportedFree(own=9e9, python=9e9)).leading
    assert leading.judgement.verdict == LEAK


def test_memory_alone_accuses_and_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added to its bound: all that the process has is in it."""
    alone = replace(evident(), whole=signal("own_bytes"), parts=())
    assert decided(monkeypatch, {}, alone).leading.judgement.per_request == Rate(10.0, 0.0, 20.0)
    assert decided(monkeypatch, {"own_bytes": LEAKING}, alone).leading.judgement.verdict == LEAK


def test_what_the_limit_charges_neither_clears_nor_accuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernel memory and pages shared after a fork are in it."""
    charged = replace(evident(), charged=signal("charged_bytes"))
    found = decided(monkeypatch, {"charged_bytes": LEAKING}, charged)
    assert found.leading.judgement.verdict == NO_LEAK
    assert found.charged is not None
    assert not found.charged.leaks
