from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.types import Numbers
from analysis.per_name import COUNTED_CONDITION, rates_per_name

NAMES = ("create", "search", "update", "delete", "read")


def counts(seed: int, periods: int, weights: Numbers, per_period: int = 200) -> dict[str, Numbers]:
    """Return the requests answered before each point, by name: a constant mix, drawn."""
    drawn = np.random.default_rng(seed).multinomial(per_period, weights / weights.sum(), size=periods)
    return {
        name: np.concatenate([[0.0], np.cumsum(drawn[:, place])])
        for place, name in enumerate(NAMES[: len(weights)])
    }


@pytest.mark.parametrize("per_period", [200, 20_000])
def test_the_one_endpoint_of_five_is_named_with_every_seed(per_period: int) -> None:
    """In 8 periods of a constant mix counted blocks of one name are 1.00 against 0.00, the more requests the same."""
    for seed in range(100):
        requests = counts(seed, 8, np.ones(5), per_period)
        found = rates_per_name(requests["search"] + 5_000, requests, COUNTED_CONDITION)
        assert found.why_not == ""
        assert found.alone == "search"
        assert [round(one.value, 6) + 0.0 for one in found.rates] == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_two_endpoints_are_both_found_and_neither_alone() -> None:
    """A site that two names reach is of none alone; both rates are above 0, in their order."""
    requests = counts(3, 11, np.ones(5))
    found = rates_per_name(2 * requests["update"] + requests["read"], requests)
    assert found.alone == ""
    assert [one.name for one in found.retaining] == ["update", "read"]


def test_what_follows_all_requests_is_of_no_endpoint() -> None:
    """A block of every request is of none alone."""
    requests = counts(4, 11, np.ones(5))
    assert rates_per_name(np.sum(list(requests.values()), axis=0), requests).alone == ""


@pytest.mark.parametrize("noise", [2.0, 30.0])
def test_noise_names_no_endpoint_more_often_than_stated(noise: float) -> None:
    """Of 1,000 seeds of blocks that only come and go at most 5% name an endpoint."""
    false = 0
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        requests = counts(seed, 11, np.ones(5))
        false += bool(rates_per_name(rng.normal(0, noise, 12).round() + 1_000, requests).retaining)
    assert false <= 50


def test_a_rotating_mix_measures_bytes_in_noise() -> None:
    """One name 5 : 1 in turn: of two leaking endpoints bytes are within their intervals, and the others' hold 0."""
    rng = np.random.default_rng(7)
    drawn = np.array([[250 if name == period % 5 else 50 for name in range(5)] for period in range(30)])
    requests = {name: np.concatenate([[0.0], np.cumsum(drawn[:, place])]) for place, name in enumerate(NAMES)}
    level = 505 * requests["create"] + 88 * requests["read"] + rng.normal(0, 4_000, 31)
    found = rates_per_name(level, requests)
    assert [one.name for one in found.retaining] == ["create", "read"]
    for one, truth in zip(found.rates, (505, 0, 0, 0, 88), strict=True):
        assert one.low <= truth <= one.high


def test_too_little_is_refused_with_its_reason() -> None:
    """Fewer than 8 periods, more names than they carry, names in lockstep and no names have a reason, no rates."""
    few = counts(1, 7, np.ones(5))
    assert rates_per_name(few["read"], few).why_not == "7 periods, 8 are needed for 5 names"
    constant = counts(1, 8, np.ones(5), 20_000)
    assert "at most 30)" in rates_per_name(constant["read"], constant).why_not
    steady = dict.fromkeys(NAMES, np.arange(13.0))
    assert rates_per_name(steady["read"], steady, COUNTED_CONDITION).why_not.endswith(
        "requests of all names rise and fall together (condition number 1,000,000,000, at most 10,000)"
    )
    assert rates_per_name(np.arange(13.0), {}).why_not == "no requests are known by name"
    # a request of each name, one after another
    many: dict[str, Numbers] = {f"name {place}": np.cumsum(np.eye(12)[place]) for place in range(1, 12)}
    assert rates_per_name(np.arange(12.0), many).why_not == "11 periods, 13 are needed for 11 names"


def test_a_level_that_was_not_read_joins_its_periods() -> None:
    """A NaN is no period of its own, and a name without a request has no rate."""
    requests = counts(5, 10, np.ones(3)) | {"never": np.zeros(11)}
    level = requests["create"].copy()
    level[4] = np.nan
    found = rates_per_name(level, requests)
    assert found.alone == "create"
    assert [one.name for one in found.rates] == ["create", "search", "update"]
