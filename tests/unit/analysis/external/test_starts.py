"""Start times of one process that are read a second apart."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.external.starts import one_name_per_start

T_S = np.arange(0.0, 600.0, 60.0)


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("1772399601", "1772399602", True),
        ("Sun Mar  1 21:13:21 2026", "Sun Mar  1 21:13:22 2026", True),
        ("2026-03-01T21:13:21Z", "2026-03-01T21:13:22Z", True),
        ("1772399601", "1772399605", False),
        ("4711", "4712", False),
        ("shop-1", "shop-2", False),
    ],
)
def test_a_start_that_is_read_a_second_later_is_the_same(first: str, second: str, one: bool) -> None:
    """``ps -o lstart`` rounds it now up, now down; pids that are next to each other are two."""
    process = [first, second, second, *[first] * 5, second, first]
    found = one_name_per_start(process, T_S)
    assert found == ([first] * 10 if one else process)


def test_workers_that_were_started_together_are_read_together() -> None:
    """Their rows have one time, or are seconds apart, where those of one process are a minute apart."""
    process = ["1772399601", "1772399602"] * 10
    for apart_s in (0.0, 2.0):
        t_s = np.repeat(T_S, 2) + np.tile([0.0, apart_s], 10)
        assert one_name_per_start(process, t_s) == process
    nowhen = np.full(20, np.nan)
    assert one_name_per_start(process, nowhen) == process
