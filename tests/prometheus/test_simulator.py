"""The planted services are what the table states of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.prometheus.plan import LEAK, healthy, leaks, others
from tests.prometheus.simulator import MIB, Kind, simulate
from tests.prometheus.table import Outcome, is_as_planted, table

END_S = 1.79e9
DAY = Kind("day", 24.0, daily=False)


def test_there_are_fifteen_leaks_and_forty_eight_healthy_services() -> None:
    """Each has a name of its own, by which its row is found."""
    kinds = (*leaks(), *healthy(), *others())
    assert (len(leaks()), len(healthy())) == (15, 48)
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert {kind.leak for kind in leaks()} == {LEAK}
    assert {kind.leak for kind in healthy()} == {0.0}


@pytest.mark.parametrize("by_requests", [False, True])
def test_a_leak_has_its_rate(by_requests: bool) -> None:
    """Under a steady load, by time and by requests alike."""
    kind = replace(DAY, leak=5.0, by_requests=by_requests)
    (one,) = simulate(kind, 1, END_S)
    settled = one.t_s > END_S - 18 * 3600
    rate = np.polyfit(one.t_s[settled] / 3600, one.memory[settled] / MIB, 1)[0]
    assert rate == pytest.approx(5.0, abs=0.2)


def test_a_restart_sets_the_counter_back_and_a_roll_out_is_another_pod() -> None:
    (one,) = simulate(replace(DAY, restarts=2), 1, END_S)
    assert len(np.unique(one.start_s)) == 3
    assert (np.diff(one.requests) < 0).sum() == 2
    pods = simulate(replace(DAY, rollouts=2), 1, END_S)
    assert len({part.labels["pod"] for part in pods}) == 3


def test_a_service_is_a_function_of_its_kind_and_seed() -> None:
    first, again, other = (simulate(DAY, seed, END_S)[0].memory for seed in (1, 1, 2))
    assert (first == again).all()
    assert len(first) != len(other) or (first != other).any()


def test_the_table_counts_verdicts_and_what_decides() -> None:
    """One healthy service that is called, or an open verdict that states nothing, is not as planted."""
    outcomes = [Outcome(kind, 3, "LEAK", 1.0) for kind in leaks()]
    outcomes += [Outcome(kind, 4, "a: INCONCLUSIVE: two days would\ndecide.\n", 1.0) for kind in healthy()]
    assert is_as_planted(outcomes)
    assert "15 of 15 leaks called; 0 of 48 healthy services called a leak." in table(outcomes, 1, 2.0)
    assert "| healthy, 24 h, daily load | 12 | 0 | 0 | 12 | 12 |" in table(outcomes, 1, 2.0)
    called = Outcome(healthy()[0], 3, "LEAK", 1.0)
    silent = Outcome(healthy()[0], 4, "a: INCONCLUSIVE: who knows.\n", 1.0)
    for wrong in (called, silent):
        assert not is_as_planted([*outcomes[:15], wrong, *outcomes[16:]])
