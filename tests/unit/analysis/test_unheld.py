"""What the ladder's collection freed of a type, and what may hold it."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.growing import GrowingType
from analysis.heap_files import HeapFiles
from analysis.unheld import collected, may_be_held

NODE = GrowingType(
    type="app.Node",
    life=1,
    objects_per_request=1.0,
    bytes_per_request=64.0,
    bytes_per_request_low=60.0,
    bytes_per_request_high=70.0,
    bytes_per_s=640.0,
    share=1.0,
    steady=True,
)
Row = tuple[float, str, str, int]
STAYS: list[Row] = [(200.0, "drained", "app.Other", 5), (201.0, "collected", "app.Other", 5)]


@pytest.mark.parametrize(
    ("rows", "freed"),
    [
        ([(200.0, "drained", "app.Node", 900), (201.0, "collected", "app.Node", 100), *STAYS], True),
        ([(200.0, "drained", "app.Node", 900), (201.0, "collected", "app.Node", 800), *STAYS], False),
        ([(200.0, "drained", "app.Node", 900), *STAYS], True),
        ([(200.0, "drained", "app.Node", 900), STAYS[0]], False),
        (STAYS, False),
        ([(90.0, "collected", "app.Node", 900), (200.0, "drained", "app.Node", 900), *STAYS], True),
        ([], False),
    ],
)
def test_a_type_is_collected_where_most_or_all_of_it_is_gone(rows: list[Row], *, freed: bool) -> None:
    """Of what is all gone there is no row; where there was no census after the collection nothing is known."""
    types = pd.DataFrame(rows, columns=["t_s", "rung", "type", "objects"]).assign(life=1)
    assert collected(types, NODE) is freed


@pytest.mark.parametrize(
    ("lengths", "held"),
    [
        ({72.0: 3003, 102.0: 4505, 132.0: 6015}, True),  # too short to be listed at first
        ({12.0: 9000, 72.0: 9100, 132.0: 9200}, False),  # long before, and hardly longer now
        ({12.0: 500, 132.0: 1500}, False),
        ({132.0: 9000}, False),  # of one census nothing is known
        ({}, False),
    ],
)
def test_what_a_container_may_hold_is_not_lost(lengths: dict[float, int], *, held: bool) -> None:
    """5,500 objects more: a container that gained half as many items may hold them, in however few censuses."""
    types = pd.DataFrame({"t_s": [12.0, 42.0, 72.0, 102.0, 132.0], "objects": [500, 1500, 3000, 4500, 6000]})
    types = types.assign(life=1, rung="", type="app.Node")
    containers = pd.DataFrame({"t_s": lengths.keys(), "length": lengths.values()}, dtype=float)
    containers = containers.assign(life=1, rung="", address="0x1", type="builtins.list")
    assert may_be_held(HeapFiles(types, containers, pd.DataFrame()), NODE) is held
