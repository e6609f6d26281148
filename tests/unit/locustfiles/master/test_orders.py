from __future__ import annotations

import pytest

from locustfiles.master.orders import start_of
from soak.errors import UsageError


@pytest.mark.parametrize(
    ("order", "start_s"), [(b"start 12.5\n", 12.5), (b"start 0\n", 0.0), (b"start 3", 3.0)]
)
def test_start(order: bytes, start_s: float) -> None:
    """The order is the word start and a time."""
    assert start_of(order) == start_s


@pytest.mark.parametrize(
    "order", [b"start\n", b"start soon\n", b"start nan\n", b"start -1\n", b"start 1 2\n", b"\xff\n"]
)
def test_no_start(order: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(UsageError, match="expected 'start <t_s>'"):
        start_of(order)
