from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis.judge.types import Numbers
from analysis.sites.naming import Name
from analysis.sites.regression import GrowingGroup, find_sites
from analysis.sites.traces import Group

Draw = np.random.Generator
NOBODY: dict[str, Numbers] = {}


def group(line: int, size: Numbers, blocks: Numbers, largest: Numbers | float = 0.0) -> Group:
    """Return a group of line ``line`` of app.py."""
    frame = ("/srv/app.py", line)
    table = np.broadcast_to(np.asarray(largest, dtype=np.float64), size.shape)
    return Group(Name(frame, None, None), (frame,), size, blocks, table)


def leaking(line: int, requests: Numbers, bytes_each: float, blocks_each: float = 1.0) -> Group:
    """Return a group that keeps so much of each request, beside what was there before."""
    return group(line, 5_000 + bytes_each * requests, 40 + blocks_each * requests)


def walk(draw: Draw, requests: Numbers, line: int) -> Group:
    """Return a group whose blocks of 90 bytes come and go, what is there now depending on what was before."""
    blocks = np.maximum(0, 400 + np.cumsum(draw.normal(0, 12, len(requests)))).round()
    return group(line, 90 * blocks, blocks, 90.0)


def turnover(draw: Draw, requests: Numbers, line: int) -> Group:
    """Return a group of a bounded cache: its number of blocks is about the same at every point."""
    blocks = draw.poisson(900, len(requests)).astype(float)
    return group(line, 120 * blocks + draw.normal(0, 500, len(requests)), blocks, 4_696.0)


def filling(draw: Draw, requests: Numbers, line: int) -> Group:
    """Return a group of a cache of 2,000 keys that are drawn at random, filled by the first third of the requests."""
    blocks = np.round(2_000 * (1 - np.exp(-9 * requests / requests[-1]))) + draw.integers(0, 3, len(requests))
    return group(line, 150.0 * blocks, blocks, 73_816.0)


def points(count: int, each: float = 400.0) -> Numbers:
    return each * np.arange(1.0, count + 1)


@pytest.mark.parametrize("count", [4, 5, 8, 12])
def test_what_each_request_leaves_is_measured_exactly(count: int) -> None:
    """Of 47 groups of which one keeps 71 B in 2 blocks, that one is the site, 71.0 from 71.0 to 71.0."""
    requests = points(count)
    draw = np.random.default_rng(count)
    groups = [turnover(draw, requests, line) for line in range(46)]
    (site,) = find_sites([*groups, leaking(12, requests, 71.0, 2.0)], requests, NOBODY, 81.9)
    assert site.group.name.yours == ("/srv/app.py", 12)
    assert site.bytes_per_request == pytest.approx(71.0)
    assert site.blocks_per_request == pytest.approx(2.0)
    assert site.low == pytest.approx(71.0)
    assert site.high == pytest.approx(71.0)


@pytest.mark.parametrize("kind", [walk, turnover, filling])
@pytest.mark.parametrize("count", [4, 8, 12])
def test_what_a_healthy_app_turns_over_is_no_site(
    kind: Callable[[Draw, Numbers, int], Group], count: int
) -> None:
    """Of 100 seeds with 150 groups that come and go at most 5 show any site, however small the leak looked for."""
    false = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        requests = points(count)
        groups = [kind(draw, requests, line) for line in range(150)]
        false += bool(find_sites(groups, requests, NOBODY, 1.0))
    assert false <= 5


@pytest.mark.parametrize(("count", "at_least"), [(5, 95), (12, 100)])
def test_a_leak_beside_turnover_is_found(count: int, at_least: int) -> None:
    """A leak of 200 B of four requests of five is the only site of 301 groups, in at least 95 of 100 seeds."""
    found = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        requests = points(count)
        blocks = np.cumsum(draw.binomial(400, 0.8, count)).astype(float)
        groups = [turnover(draw, requests, line) for line in range(300)]
        sites = find_sites([*groups, group(7, 200 * blocks, blocks, 200.0)], requests, NOBODY, 160.0)
        found += [site.group.frames[0][1] for site in sites] == [7]
        assert all(site.low is not None and site.high is not None for site in sites)
    assert found >= at_least


@pytest.mark.parametrize("count", [5, 12])
def test_the_table_of_a_dict_is_no_noise(count: int) -> None:
    """A dict that gains 100 B a request on one line with its table, which doubles now and then, is a site."""
    requests = points(count)
    table = 104.0 * 2 ** np.ceil(np.log2(requests))
    groups = [turnover(np.random.default_rng(1), requests, line) for line in range(300)]
    (site,) = find_sites(
        [*groups, group(3, 100 * requests + table, requests + 1, table)], requests, NOBODY, 250.0
    )
    assert site.low is not None
    assert 100 < site.low <= site.bytes_per_request
    assert site.blocks_per_request == pytest.approx(1.0)


def test_few_large_blocks_have_no_interval() -> None:
    """A table alone that doubles to the end is a site with its number of blocks; one that stopped in time is none."""
    requests = points(8)
    table = 104.0 * 2 ** np.ceil(np.log2(requests))
    stopped = np.minimum(table, table[2])
    groups = [group(1, table, np.ones(8), table), group(2, stopped, np.ones(8), stopped)]
    (site,) = find_sites(groups, requests, NOBODY, 100.0)
    assert (site.group.frames[0][1], site.low, site.high, site.blocks_per_request) == (1, None, None, 1.0)


@pytest.mark.parametrize("end", range(1000, 2000, 100))
def test_an_arena_that_doubles_is_few_large_blocks_wherever_it_ends(end: int) -> None:
    """Its first small blocks stay; without a native function that allocates, blocks of many sizes are no arena."""
    requests = np.linspace(end / 6, end, 6)
    size = 300.0 * 2 ** np.ceil(np.log2(requests))
    blocks, largest = np.log2(size) - 4, size / 2
    arena = group(1, size, blocks, largest)
    (site,) = find_sites([replace(arena, function="grow (arena)")], requests, NOBODY, 300.0)
    assert (site.low, site.high, site.blocks_per_request) == (None, None, 2.0)
    assert site.bytes_per_request == pytest.approx(300.0, rel=1.0)
    assert find_sites([arena], requests, NOBODY, 300.0) == ()


def test_an_arena_that_has_stopped_is_no_site() -> None:
    """A pool that was filled in the first third of the requests."""
    requests = np.linspace(200, 1200, 6)
    size = np.minimum(300.0 * 2 ** np.ceil(np.log2(requests)), 300.0 * 512)
    arena = replace(group(1, size, np.log2(size) - 4, size / 2), function="grow (arena)")
    assert find_sites([arena], requests, NOBODY, 300.0) == ()


def test_what_is_below_two_thousandths_of_the_leak_is_left_out() -> None:
    """A site of 5 B is none of a leak of 3 kB, and one of 7 B is."""
    requests = points(6)
    groups = [leaking(1, requests, 5.0), leaking(2, requests, 7.0), leaking(3, requests, 2_900.0)]
    assert [site.group.frames[0][1] for site in find_sites(groups, requests, NOBODY, 3_000.0)] == [3, 2]
    assert [site.group.frames[0][1] for site in find_sites(groups, requests, NOBODY, None)] == [3, 2]


def test_a_site_of_one_endpoint_has_its_name() -> None:
    """Blocks that follow one name of five, 1.00 against 0.00 in a constant mix, are of it; others of none."""
    sent = np.cumsum(np.random.default_rng(2).multinomial(200, [0.2] * 5, size=9), axis=0).astype(float)
    by_name = {name: sent[:, place] for place, name in enumerate(("add", "find", "change", "remove", "read"))}
    requests = sent.sum(axis=1)
    groups = [leaking(1, by_name["find"], 500.0), leaking(2, requests, 80.0)]
    assert [
        (site.group.frames[0][1], site.endpoint) for site in find_sites(groups, requests, by_name, 180.0)
    ] == [
        (1, "find"),
        (2, ""),
    ]
    few = {name: counts[:6] for name, counts in by_name.items()}
    groups = [leaking(1, few["find"], 500.0)]
    assert [site.endpoint for site in find_sites(groups, requests[:6], few, 100.0)] == [""]


@pytest.mark.parametrize(("names", "periods"), [(2, 6), (5, 7), (20, 8)])
def test_the_one_leaking_endpoint_is_named_in_a_constant_mix(names: int, periods: int) -> None:
    """In 50 of 50 seeds, of 2 to 20 names; a site of two of them, or of turnover, is named in 1 of 50 at most."""
    right = wrong = 0
    for seed in range(50):
        draw = np.random.default_rng(seed)
        sent = np.cumsum(draw.multinomial(600, [1 / names] * names, size=periods + 1), axis=0).astype(float)
        by_name = {f"/{place}": sent[:, place] for place in range(names)}
        requests = sent.sum(axis=1)
        (site,) = find_sites([leaking(1, by_name["/0"], 500.0)], requests, by_name, None)
        right += site.endpoint == "/0"
        (site,) = find_sites([leaking(1, by_name["/0"] + by_name["/1"], 500.0)], requests, by_name, None)
        wrong += bool(site.endpoint)
    assert right == 50
    assert wrong <= 1


def test_a_point_before_the_first_request_counts_only_where_it_must() -> None:
    """What the first request sets up is no growth; of four points all are used."""
    requests = 400.0 * np.arange(6.0)
    once = np.where(requests > 0, 60_000.0, 0.0)
    leak = group(1, once + 50 * requests, np.sign(once) * 500 + requests, 50.0)
    (site,) = find_sites([leak], requests, NOBODY, None)
    assert site.bytes_per_request == pytest.approx(50.0)
    assert find_sites([leaking(1, requests[:4], 50.0)], requests[:4], NOBODY, None)
    assert find_sites([leaking(1, requests[:3], 50.0)], requests[:3], NOBODY, None) == ()


def lines(sites: tuple[GrowingGroup, ...]) -> list[int]:
    return [site.group.frames[0][1] for site in sites]


@pytest.mark.parametrize("count", [5, 12])
def test_a_cache_that_fills_all_along_is_no_part_of_a_smaller_leak(count: int) -> None:
    """Of 1,033 B a request and 71 B, a leak of 80 to 84 B has the latter alone; alone, the former is its site."""
    requests = points(count)
    cache, leak = leaking(1, requests, 1_033.0), leaking(2, requests, 71.0, 2.0)
    assert lines(find_sites([cache, leak], requests, NOBODY, 82.0, most=84.0)) == [2]
    assert lines(find_sites([cache, leak], requests, NOBODY, 82.0)) == [1, 2]
    assert lines(find_sites([cache, leak], requests, NOBODY, 1_100.0, most=1_150.0)) == [1, 2]
    assert lines(find_sites([cache], requests, NOBODY, 82.0, most=84.0)) == [1]
    small = leaking(2, requests, 30.0)
    assert lines(find_sites([cache, small], requests, NOBODY, 82.0, most=84.0)) == [1, 2]


def test_a_leak_that_is_traced_a_little_larger_than_it_was_measured_is_a_site() -> None:
    """Of 82.0 B a request, where the run measured 79 to 81 B, beside a cache that would explain half of it."""
    requests = points(12)
    groups = [leaking(1, requests, 82.0), leaking(2, requests, 45.0)]
    assert lines(find_sites(groups, requests, NOBODY, 80.0, most=81.0)) == [1, 2]


def test_what_is_never_touched_may_be_more_than_the_leak() -> None:
    """A buffer of 512 KiB of which 72 KB were written is the site, beside one that explains half of the leak."""
    requests = points(6)
    groups = [leaking(1, requests, 524_288.0), leaking(2, requests, 40_000.0)]
    assert lines(find_sites(groups, requests, NOBODY, 73_731.0, most=75_000.0)) == [1, 2]
