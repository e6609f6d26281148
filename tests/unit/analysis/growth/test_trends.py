"""Which containers grow, of lengths whose truth is planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from analysis.growth.trends import ContainerGrowth, find_container_growth, find_type_growth
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Life, Phase

RPS = 10
EVERY_S = 30.0


def found(
    lengths: Mapping[str, npt.NDArray[Any]], drained: dict[str, float] | None = None
) -> dict[str, ContainerGrowth]:
    """Return what grows, by address; one length a census."""
    censuses = len(next(iter(lengths.values())))
    t_s = EVERY_S * np.arange(1, censuses + 1)
    load = Phase("load", 0.0, float(t_s[-1]) + EVERY_S / 2)
    seconds = np.arange(0, int(load.end_s))
    requests = pd.DataFrame({"t_s": seconds.astype(float), "ok": float(RPS)})
    nothing = pd.DataFrame()
    arm = Arm("app", "", None, (), nothing, nothing, nothing, requests, Latency(), ())
    rows = [
        pd.DataFrame({"t_s": t_s, "life": 1.0, "length": length, "rung": "", "address": address}).dropna()
        for address, length in lengths.items()
    ]
    ends = [
        pd.DataFrame(
            {"t_s": [load.end_s + 9], "life": 1.0, "length": n, "rung": "drained", "address": address}
        )
        for address, n in (drained or {}).items()
    ]
    containers = pd.concat([*rows, *ends]).assign(type="builtins.list")
    grown = find_container_growth(arm, load, containers, pd.DataFrame())
    return {one.address: one for one in grown}


def test_a_slow_leak_of_a_long_run_need_not_grow_in_every_census() -> None:
    """An item in three censuses, over 400 of them, of which the last two are as long as each other."""
    slow = 200 + np.floor(np.arange(401) / 3)
    assert slow[-1] == slow[-2]
    one = found({"0x1": slow})["0x1"]
    assert one.per_request is not None
    assert one.per_request.value == pytest.approx(1 / 3 / (RPS * EVERY_S), rel=0.01)
    assert one.per_request.low > 0


def test_a_cache_that_was_full_for_the_last_hundredth_of_a_long_run_has_stopped() -> None:
    """Its rate promised four censuses more of it."""
    filling = np.minimum(300.0 * np.arange(400), 300.0 * 396)
    assert found({"0x1": filling, "0x2": 300.0 * np.arange(400)}).keys() == {"0x2"}


def test_a_cache_that_was_full_after_the_last_census_has_stopped() -> None:
    """It was no longer when all was drained; one that went on growing until the load ended is longer then."""
    grows = 300.0 * np.arange(1, 11)
    drained = {"0x1": grows[-1], "0x2": grows[-1] + 150}
    assert found({"0x1": grows, "0x2": grows}, drained).keys() == {"0x2"}


def test_in_a_short_run_what_is_listed_late_has_grown_since() -> None:
    """A list is listed once it is longer than when first seen: in three of five censuses it is known to grow.

    In two that is not known, and with more censuses it has to be seen in the whole of the later part.
    """
    still = np.full(5, 17_179.0)
    late = np.array([np.nan, np.nan, 3003.0, 4505.0, 6015.0])
    later = np.array([np.nan, np.nan, np.nan, 4505.0, 6015.0])
    one = found({"0x1": still, "0x2": late, "0x3": later})
    assert one.keys() == {"0x2"}
    assert one["0x2"].censuses == 3
    assert found({"0x1": np.full(9, 1.0), "0x2": np.concatenate([np.full(4, np.nan), late])}) == {}


def test_noise_around_a_level_is_no_growth() -> None:
    """In none of 500 containers, whatever their size."""
    random = np.random.default_rng(3)
    level = {hex(i): random.poisson(10.0 ** random.uniform(2, 5), 12).astype(float) for i in range(500)}
    assert found(level) == {}


def test_types_of_processes_that_live_together_add_up() -> None:
    """Two workers gain 64 bytes per request of the arm each; the heir of one of them, later on, not as much again."""
    t_s = EVERY_S * np.arange(1.0, 11)
    load = Phase("load", 0.0, 2 * float(t_s[-1]))
    seconds = np.arange(0.0, load.end_s)
    requests = pd.DataFrame({"t_s": seconds, "ok": float(RPS)})
    half_s = float(t_s[-1]) + 1
    processes = (
        Life(2, 2, 0, 0, load.end_s, "soak"), Life(3, 3, 0, 0, half_s, "itself"),
        Life(4, 4, half_s, half_s, load.end_s, "soak"),
    )  # fmt: skip
    nothing = pd.DataFrame()
    arm = Arm("app", "", None, (), nothing, nothing, nothing, requests, Latency(), (), processes)
    every = [(2, np.concatenate([t_s, t_s + half_s])), (3, t_s), (4, t_s + half_s)]
    types = pd.concat(
        pd.DataFrame({"t_s": at, "life": float(life), "rung": "", "type": "app.Order", "objects": at * RPS})
        for life, at in every
    )
    (one,) = find_type_growth(arm, load, types.assign(bytes=64 * types["objects"]))
    assert one.bytes_per_request == pytest.approx(128, rel=0.01)
    assert one.objects_per_request == pytest.approx(2, rel=0.01)
    (alone,) = find_type_growth(replace(arm, processes=()), load, types.assign(bytes=64 * types["objects"]))
    assert alone.bytes_per_request == pytest.approx(64, rel=0.01)


@pytest.mark.parametrize(("first", "second"), [(0.0, 64.0), (64.0, 0.0), (200.0, -100.0)])
def test_a_type_that_grows_in_one_worker_is_found_whichever_it_is(first: float, second: float) -> None:
    """Also where another loses objects; what moves from one to the other grows in neither."""
    t_s = EVERY_S * np.arange(1.0, 21)
    load = Phase("load", 0.0, float(t_s[-1]))
    requests = pd.DataFrame({"t_s": np.arange(0.0, load.end_s), "ok": float(RPS)})
    processes = tuple(Life(number, number, 0, 0, load.end_s, "soak") for number in (1, 2))
    nothing = pd.DataFrame()
    arm = Arm("app", "", None, (), nothing, nothing, nothing, requests, Latency(), (), processes)
    types = pd.concat(
        pd.DataFrame({"t_s": t_s, "life": life, "rung": "", "type": name, "objects": 1e5 + each * t_s * RPS})
        for name, rates in (("app.Order", (first, second)), ("app.Moved", (50.0, -50.0)))
        for life, each in zip((1.0, 2.0), rates, strict=True)
    )
    (one,) = find_type_growth(arm, load, types.assign(bytes=types["objects"]))
    assert (one.type, one.life, one.steady) == ("app.Order", 1 if first > second else 2, True)
    assert one.bytes_per_request == pytest.approx(first + second)


def test_growth_under_noise_is_found() -> None:
    """An item in a hundred requests, give or take as chance has it."""
    random = np.random.default_rng(4)
    leaks = {
        hex(i): 100 + np.cumsum(random.poisson(RPS * EVERY_S / 100, 12)).astype(float) for i in range(50)
    }
    assert len(found(leaks)) >= 45


def test_another_type_at_the_same_address_is_another_container() -> None:
    """A container that was freed in between did not grow, and its address says nothing of the next."""
    lengths = 300.0 * np.arange(1, 11)
    lengths[6:] = 300.0 * np.arange(1, 5)
    assert found({"0x1": lengths}) == {}
