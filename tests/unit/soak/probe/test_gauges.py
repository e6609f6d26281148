from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

import pytest
from soak_probe import gauges


class Proxy:
    """Says that it is of the class of a number and passes on what is asked of it, as werkzeug's LocalProxy does."""

    __class__: Any = property(lambda _: float)

    def __float__(self) -> float:
        return 1.5

    def __le__(self, other: float) -> bool:
        return other >= 1.5

    def __ge__(self, other: float) -> bool:
        return other <= 1.5


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], float]]:
    """The gauges of a process that has none yet."""
    empty: dict[str, Callable[[], float]] = {}
    monkeypatch.setattr(gauges, "REGISTERED", empty)
    return empty


class TestGauges:
    def test_gauges_are_read_by_name(self, registered: dict[str, Callable[[], float]]) -> None:
        """A gauge gives what its function returns now; registered again, the new function's."""
        cache = [1, 2, 3]
        gauges.gauge("cache_entries", lambda: len(cache))
        gauges.gauge("load_1m", lambda: 0.5)
        cache.append(4)
        assert gauges.read_all(registered) == ({"cache_entries": 4, "load_1m": 0.5}, [])
        gauges.gauge("cache_entries", lambda: -1)
        assert gauges.read_all(registered) == ({"cache_entries": -1, "load_1m": 0.5}, [])

    @pytest.mark.parametrize(
        "figure",
        [
            float("nan"),
            float("inf"),
            float("-inf"),
            None,
            "3",
            True,
            10**400,
            2**63 + 5,
            pytest.param(Proxy(), id="proxy"),
        ],
    )
    def test_what_is_no_finite_number_is_named_and_left_out(
        self, registered: dict[str, Callable[[], float]], figure: Any
    ) -> None:
        """A gauge that gives anything but a finite number is an error of that gauge alone.

        A proxy says that it is of the class of a number, which JSON does not take it for.
        """
        gauges.gauge("odd", lambda: figure)
        gauges.gauge("sound", lambda: 7)
        assert gauges.read_all(registered) == ({"sound": 7}, ["odd"])

    @pytest.mark.parametrize("error", [ZeroDivisionError, CancelledError, SystemExit])
    def test_a_gauge_that_raises_is_named_and_left_out(
        self, registered: dict[str, Callable[[], float]], error: type[BaseException]
    ) -> None:
        """An error in the target's function costs neither the other gauges nor the probe."""

        def broken() -> float:
            raise error

        gauges.gauge("broken", broken)
        gauges.gauge("sound", lambda: 7)
        assert gauges.read_all(registered) == ({"sound": 7}, ["broken"])

    @pytest.mark.parametrize("name", ["", "Cache", "1st", "_a", "a-b", "ä", "a" * 41])
    @pytest.mark.usefixtures("registered")
    def test_a_name_that_could_not_be_a_column_is_refused(self, name: str) -> None:
        """A name is up to 40 of a-z, 0-9 and _, beginning with a letter."""
        with pytest.raises(ValueError, match="a name is up to 40 of a-z, 0-9 and _, a letter first"):
            gauges.gauge(name, lambda: 0)

    def test_there_can_be_32(self, registered: dict[str, Callable[[], float]]) -> None:
        """The 33rd gauge is refused; one of the 32 can still be replaced."""
        for number in range(32):
            gauges.gauge(f"g{number}" + "x" * 30, lambda: 0)
        gauges.gauge("g0" + "x" * 30, lambda: 1)
        with pytest.raises(ValueError, match="32 gauges are registered"):
            gauges.gauge("one_more", lambda: 0)
        assert len(registered) == 32
