"""Which of the probe's answers about a container counts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from analysis.growth.holders import holder_of_container
from analysis.growth.trends import ContainerGrowth
from analysis.slopes import Slope

RATE = Slope(1.0, 0.9, 1.1, 1.0)
GROWN = ContainerGrowth(1, "0x7f00", "builtins.list", 5, 30, RATE, RATE)
TASK = "task shop.serve() local self.orders"
MAIN = "thread MainThread: main() local app.orders"
SHOP = "shop.app.state.orders"


@pytest.mark.parametrize(
    ("answers", "path"),
    [
        (("", SHOP, ""), SHOP),
        (("shop.old.orders", SHOP), SHOP),
        ((SHOP, TASK), SHOP),
        ((MAIN, "thread worker_1: run() local orders", TASK), MAIN),
        ((TASK, "task shop.other() local orders", ""), "task shop.other() local orders"),
        (("", ""), ""),
    ],
)
def test_the_newest_path_counts_that_does_not_end_soon(answers: Sequence[str], path: str) -> None:
    """A container keeps its place; which way to it is found depends on the time there was."""
    rows = [
        {"t_s": float(number), "life": 1, "address": "0x7f00", "type": "builtins.list", "length": 10.0 * number,
         "holder": holder, "retained_bytes": 100.0, "retained_whole": 1.0, "entries": ""}
        for number, holder in enumerate(answers, 1)
    ]  # fmt: skip
    known = holder_of_container(pd.DataFrame(rows), GROWN)
    assert known is not None
    assert known.holder == path
