"""Growth per request of each name: planted endpoints are named, noise and common code are not."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.by_name import (
    COUNTED_CONDITION,
    MAX_CONDITION,
    GrowthByName,
    as_in_a_constant_mix,
    growth_by_name,
)
from analysis.judge.types import Numbers

NAMES = ("add", "find", "change", "remove", "follow")
PERIODS = 10
"""Readings of a load of 100 s: one every 10 s."""


def rotated(draw: np.random.Generator, periods: int = PERIODS, names: tuple[str, ...] = NAMES) -> Numbers:
    """Return the requests of each name so far, shape (periods + 1, names): 500 in a period, one name 5 : 1 in turn."""
    sent = []
    for period in range(periods):
        weight = np.ones(len(names))
        weight[period % len(names)] = 5.0
        sent.append(draw.multinomial(500, weight / weight.sum()))
    return np.vstack([np.zeros(len(names)), np.cumsum(sent, axis=0)]).astype(float)


def by_name(value: Numbers, sent: Numbers, names: tuple[str, ...] = NAMES) -> GrowthByName:
    """Return the growth by name of columns of requests."""
    return growth_by_name(value, dict(zip(names, sent.T, strict=True)))


@pytest.mark.parametrize("seed", range(10))
def test_the_leaking_of_five_endpoints_are_named(seed: int) -> None:
    """One keeps 1 block of 505 B per request, one 1 of 88 B: both and no other follow from blocks, bytes agree."""
    draw = np.random.default_rng(seed)
    sent = rotated(draw)
    blocks = sent @ [1.0, 0, 0, 1.0, 0] + draw.normal(0, 4, len(sent))
    found = by_name(blocks, sent)
    assert sorted(found.follows) == ["add", "remove"]
    assert found.rates["add"].low < 1 < found.rates["add"].high
    live_bytes = sent @ [505.0, 0, 0, 88.0, 0] + draw.normal(0, 4096, len(sent))
    rates = by_name(live_bytes, sent).rates
    assert rates["add"].low < 505 < rates["add"].high
    assert rates["remove"].low < 88 < rates["remove"].high
    assert next(iter(rates)) == "add"


@pytest.mark.parametrize("noise", ["level", "walk", "both"])
def test_of_a_healthy_app_no_endpoint_is_named(noise: str) -> None:
    """Noise about a level, noise that adds up or both name one of the endpoints in at most 3% of 400 runs."""
    draw = np.random.default_rng(17)
    false = 0
    for _ in range(400):
        sent = rotated(draw)
        value = np.zeros(len(sent))
        if noise != "walk":
            value += draw.normal(0, 30, len(sent))
        if noise != "level":
            value += np.cumsum(draw.normal(0, 15, len(sent)))
        false += bool(by_name(value, sent).follows)
    assert false <= 12


@pytest.mark.parametrize("common", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("noise", ["level", "walk", "both"])
def test_growth_of_all_requests_names_no_endpoint(noise: str, common: float) -> None:
    """Code that all share, or time: an endpoint is named in at most 1% of 200 runs, beside two that leak no third.

    Both that leak a block of each request are named in at least 97%.
    """
    draw = np.random.default_rng(31)
    false = third = right = 0
    for _ in range(200):
        sent = np.vstack([np.zeros(len(NAMES)), np.cumsum(half_turns(draw), axis=0)])
        last = np.diff(sent, axis=0, prepend=sent[:1])
        value = common * sent.sum(axis=1) + last @ draw.normal(0, 0.3, len(NAMES))
        if noise != "walk":
            value += draw.normal(0, 10, len(sent))
        if noise != "level":
            value += np.cumsum(draw.normal(0, 8, len(sent)))
        held = dict(zip(NAMES, last.T, strict=True))
        names = dict(zip(NAMES, sent.T, strict=True))
        false += bool(growth_by_name(value, names, held=held, error=0.01).follows)
        leaking = growth_by_name(value + sent @ [1, 0, 0, 1, 0], names, held=held, error=0.01)
        right += {"add", "remove"} <= {*leaking.follows}
        third += bool({*leaking.follows} - {"add", "remove"})
    assert max(false, third) <= 2
    assert right >= 194


def half_turns(draw: np.random.Generator) -> Numbers:
    """Return the requests of each name in each half turn of 100 s, 500 in each: one name 5 : 1 in turn."""
    weights = 1 + 4 * np.repeat(np.eye(len(NAMES))[np.arange(PERIODS) % len(NAMES)], 2, axis=0)
    return np.array([draw.multinomial(500, weight / weight.sum()) for weight in weights]).astype(float)


def test_names_that_may_leak_as_well_are_not_excluded() -> None:
    """What others have, too, may be of all requests: those names are not excluded; of one endpoint all others are."""
    draw = np.random.default_rng(3)
    sent = rotated(draw)
    both = by_name(sent @ [1.0, 0.5, 0.5, 0.5, 0.5] + draw.normal(0, 5, len(sent)), sent)
    assert both.follows == ("add",)
    assert {*both.not_excluded} == {*NAMES[1:]}
    clear = by_name(sent[:, 0] + draw.normal(0, 5, len(sent)), sent)
    assert (clear.follows, clear.not_excluded) == (("add",), ())


def test_what_a_turn_holds_is_no_growth() -> None:
    """Connections of one name hold 100 blocks in its turns: no endpoint in 200 runs of 300 s, where it would be one."""
    draw = np.random.default_rng(23)
    false = blind = 0
    for _ in range(200):
        sent = rotated(draw, 30)
        last = np.diff(sent, axis=0, prepend=sent[:1])
        value = 0.3 * last[:, 0] + draw.normal(0, 10, len(sent))
        held = dict(zip(NAMES, last.T, strict=True))
        false += bool(growth_by_name(value, dict(zip(NAMES, sent.T, strict=True)), held=held).follows)
        blind += bool(by_name(value, sent).follows)
    assert false <= 6
    assert blind > 20


def test_a_rotating_leak_grows_evenly_as_in_a_constant_mix() -> None:
    """A leak of one name is a straight line by all requests; what follows no name is left as it is."""
    draw = np.random.default_rng(7)
    sent = rotated(draw, 20)
    names = dict(zip(NAMES, sent.T, strict=True))
    value = 500 * sent[:, 1] + draw.normal(0, 50, len(sent))
    steady = as_in_a_constant_mix(value, names, by_name(value, sent))
    total = sent.sum(axis=1)
    line = np.polynomial.Polynomial.fit(total, steady, 1)
    assert np.abs(steady - line(total)).max() < 0.01 * np.ptp(value)
    assert np.ptp(steady) == pytest.approx(np.ptp(value), rel=0.01)
    noise = draw.normal(0, 50, len(sent))
    assert as_in_a_constant_mix(noise, names, by_name(noise, sent)) is noise


def test_common_code_is_no_endpoint() -> None:
    """What every request leaves follows all names alike, and names none; so does growth with time."""
    draw = np.random.default_rng(3)
    sent = rotated(draw)
    found = by_name(sent.sum(axis=1) * 2.0 + draw.normal(0, 5, len(sent)), sent)
    assert found.alike
    assert not found.follows
    assert not found.reason
    in_time = by_name(np.arange(len(sent)) * 1000.0 + draw.normal(0, 5, len(sent)), sent)
    assert in_time.alike or not in_time.follows


def test_lives_have_levels_of_their_own() -> None:
    """A restart resets the memory, and the endpoint is named from both lives."""
    draw = np.random.default_rng(5)
    sent = rotated(draw, periods=14)
    life = np.repeat([1.0, 2.0], [8, 7])
    level = np.where(life == 1, 7e5, 3e5 - sent[8, 0])
    value = level + sent[:, 0] + draw.normal(0, 5, len(sent))
    found = growth_by_name(value, dict(zip(NAMES, sent.T, strict=True)), life)
    assert found.follows == ("add",)


def test_a_constant_mix_cannot_be_told_apart() -> None:
    """Ten thousand requests a period in a constant mix are refused, with the condition number in the reason."""
    draw = np.random.default_rng(1)
    sent = np.cumsum(draw.multinomial(100_000, [0.2] * 5, size=20), axis=0).astype(float)
    found = by_name(sent[:, 0], sent)
    assert not found.rates
    assert "too constant a mix (condition number" in found.reason
    assert f"{MAX_CONDITION:.0f} at most" in found.reason


@pytest.mark.parametrize("per_period", [200, 20_000])
def test_what_is_counted_follows_its_endpoint_in_a_constant_mix(per_period: int) -> None:
    """Blocks of a site are 1.00 of the one name of five and 0.00 of the others, the more requests the same."""
    for seed in range(50):
        sent = np.cumsum(np.random.default_rng(seed).multinomial(per_period, [0.2] * 5, size=9), axis=0)
        named = dict(zip(NAMES, sent.T.astype(float), strict=True))
        found = growth_by_name(named["find"] + 5_000, named, max_condition=COUNTED_CONDITION)
        assert found.follows == ("find",)
        assert [round(rate.value, 6) + 0.0 for rate in found.rates.values()] == [1.0, 0.0, 0.0, 0.0, 0.0]
    lockstep = dict.fromkeys(NAMES, np.arange(12.0))
    assert (
        "too constant a mix"
        in growth_by_name(lockstep["add"], lockstep, max_condition=COUNTED_CONDITION).reason
    )


def test_too_few_periods_and_names_are_refused() -> None:
    """Below 8 periods, three more than names, or with one name, there is a reason and no rate."""
    draw = np.random.default_rng(2)
    sent = rotated(draw, periods=7, names=NAMES[:2])
    assert by_name(sent[:, 0], sent, NAMES[:2]).reason == "7 periods, 8 are needed for 2 names"
    many = tuple(f"e{n}" for n in range(9))
    sent = rotated(draw, periods=11, names=many)
    assert by_name(sent[:, 0], sent, many).reason == "11 periods, 12 are needed for 9 names"
    sent = rotated(draw)
    sent[:, 1:] = 0
    assert by_name(sent[:, 0], sent).reason == "requests have one name only"
    assert growth_by_name(np.zeros(0), {}).reason == "requests have no names"


def test_exact_counts_name_no_rounding_error() -> None:
    """Without any noise the one that leaks is named, not those whose rates are 1e-15."""
    sent = rotated(np.random.default_rng(4))
    found = by_name(sent[:, 2].copy(), sent)
    assert found.follows == ("change",)
    assert found.rates["change"].value == pytest.approx(1.0)
