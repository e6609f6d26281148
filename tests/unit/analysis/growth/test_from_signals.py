"""What the ladder's collection freed of a type, and what kind of tasks leak."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.growth.from_types import freed_by_collection
from analysis.growth.trends import TypeGrowth

NODE = TypeGrowth(
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
    assert freed_by_collection(types, NODE) is freed
