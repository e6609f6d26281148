from __future__ import annotations

from typing import Any

import pytest
from soak_probe.holders.climb import state_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


class Grown:
    """One of those whose number grows."""

    def __init__(self) -> None:
        self.other: Any = None


class TestStateOf:
    def test_a_closed_circle_is_a_cycle(self) -> None:
        """References that the objects have to each other are all there are."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        closed = [one, other]
        del one, other
        assert state_of(closed) == "cycle"

    def test_a_circle_that_somebody_holds_is_not(self) -> None:
        """One reference more, and it is no garbage."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        assert state_of([one, other]) == "unreferenced"
