"""When holders are searched for under load: scripted services, some of which will be killed and some not."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from soak.heap.model import HeapSuspect
from soak.sampling.naming import NOWHERE, Naming, death_is_near

EVERY_S = 30.0
LIMIT = 1_000_000_000
PID = 7
Charge = Callable[[int], float]


def searched(
    charge: Charge, points: int, length: Charge = lambda _: 5_000, *, found: bool = True
) -> list[int]:
    """Return the quiesce points at which a service of one suspect is searched, by its charge and length at each."""
    naming = Naming(LIMIT, EVERY_S)
    at = []
    for point in range(points):
        suspect = HeapSuspect(16, "builtins.dict", int(length(point)))
        naming.add_point(1, point * EVERY_S, charge(point))
        if naming.choose(PID, [suspect, HeapSuspect(0, "shop.Order", 900)]):
            assert naming.choose(PID, [suspect]) == [suspect]
            naming.answered(PID, suspect, found=found)
            at.append(point)
    return at


def noise(seed: int = 1) -> Charge:
    numbers = random.Random(seed)
    return lambda _: numbers.gauss(0.0, 0.01 * LIMIT)


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_service_is_never_searched_under_load(seed: int) -> None:
    """At 60% of its limit, with a noise of 1%."""
    jitter = noise(seed)
    assert searched(lambda point: 0.6 * LIMIT + jitter(point), 500) == []


def test_a_cache_that_fills_up_is_not_searched() -> None:
    """It grows fast at first, and its first points would meet the limit in 5 of them."""
    assert searched(lambda point: LIMIT * (0.6 - 0.4 * 0.8**point), 100) == []


def test_a_leak_is_searched_before_it_is_killed() -> None:
    """From three points before the limit on, once while the container is less than twice as long."""
    leak = 0.05 * LIMIT
    assert searched(lambda point: 0.2 * LIMIT + leak * point, 16) == [12]  # killed at 16, 80% charged at 12
    fast = 0.15 * LIMIT
    assert searched(lambda point: 0.1 * LIMIT + fast * point, 6) == [3]  # killed at 6, 80% charged at 5


def test_a_leak_that_begins_late_is_searched_by_its_own_rate() -> None:
    """The latest quarter decides, not the mean of all the time before it."""
    rate = 0.08 * LIMIT
    [first, *_] = searched(lambda point: 0.3 * LIMIT + rate * max(0, point - 8), 16)
    assert first <= 14  # killed at 16.75


def test_a_slow_leak_waits_for_the_drain() -> None:
    """It will not meet the limit in this load."""
    jitter = noise()
    assert searched(lambda point: LIMIT * (0.3 + 0.0005 * point) + jitter(point), 500) == []


def test_a_service_that_is_flat_near_its_limit_is_searched_once() -> None:
    """At 82%: it may be killed at any time, but each search costs."""
    assert searched(lambda _: 0.82 * LIMIT, 500) == [0]


def test_then_only_what_is_new_or_has_doubled_is_searched() -> None:
    """A container keeps the answer it has; another one has none."""
    assert searched(lambda _: 0.82 * LIMIT, 40, lambda point: 5_000 + 250 * point) == [0, 20]
    naming = Naming(LIMIT, EVERY_S)
    naming.add_point(1, 0.0, 0.82 * LIMIT)
    old, new = HeapSuspect(16, "builtins.dict", 100), HeapSuspect(32, "builtins.dict", 100)
    naming.answered(PID, old, found=True)
    assert naming.choose(PID, [old, new]) == [new]
    assert naming.choose(PID + 1, [old]) == [old]


def test_what_was_not_found_is_searched_again_at_the_next_point() -> None:
    """Near its death nothing is worth more than its holder."""
    assert searched(lambda _: 0.9 * LIMIT, 4, found=False) == [0, 1, 2, 3]


def test_a_new_life_has_a_rate_of_its_own() -> None:
    """The fall from one life to the next is no freed memory, and the growth before it no rate of the next."""
    naming = Naming(LIMIT, EVERY_S)
    suspect = HeapSuspect(16, "builtins.dict", 100)
    for point, (life, share) in enumerate([(1, 0.3), (1, 0.5), (2, 0.2), (2, 0.21)]):
        naming.add_point(life, point * EVERY_S, share * LIMIT)
        assert bool(naming.choose(PID, [suspect])) == (point == 1)


def test_the_rehearsal_searches_for_what_is_nowhere() -> None:
    """Whatever is suspected; and where nothing can be searched for under load there is none."""
    suspect = HeapSuspect(16, "builtins.dict", 100)
    naming = Naming(LIMIT, EVERY_S)
    naming.add_point(1, 0.0, 0.1 * LIMIT)
    assert naming.choose(PID, [suspect], is_rehearsal=True) == [NOWHERE]
    assert naming.choose(PID, [suspect]) == []
    without = Naming(None, EVERY_S)
    without.add_point(1, 0.0, 0.1 * LIMIT)
    assert without.choose(PID, [suspect], is_rehearsal=True) == []


def test_near_death_is_told_from_the_charge_alone_at_the_first_point() -> None:
    """One point has no rate."""
    assert [death_is_near([(0.0, share * LIMIT)], LIMIT, EVERY_S) for share in (0.79, 0.81)] == [False, True]
    assert not death_is_near([], LIMIT, EVERY_S)
    assert not death_is_near([(0.0, 2.0 * LIMIT)], None, EVERY_S)


def test_days_of_points_stay_bounded() -> None:
    """Only the latest are kept."""
    naming = Naming(LIMIT, EVERY_S)
    for point in range(5_000):
        naming.add_point(1, point * EVERY_S, 1.0)
    assert len(naming._charges) < 2_000
    assert all(later[0] > earlier[0] for earlier, later in pairwise(naming._charges))
