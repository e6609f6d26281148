"""From addresses of types to their places: all are found, whichever addresses the target has chosen."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from soak.heap.cpython import objects
from soak.heap.cpython.objects import AddressIndex

ADDRESSES = np.arange(0x7E00_0000_0000, 0x7E00_0000_0000 + 1_024 * 48, 48, dtype=np.uint64)
OTHERS = np.array([0, 8, 1 << 47, 0x7E00_0000_0000 + 16, int(ADDRESSES[-1]) + 48, (1 << 64) - 1], np.uint64)


@pytest.mark.parametrize("bits", [0, None], ids=["all collide", "as drawn"])
def test_addresses_that_collide_are_found(bits: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times one, all addresses are in the first slot of each table; neither memory nor time goes with their number."""
    if bits is not None:
        monkeypatch.setattr(secrets, "randbits", lambda _bits: bits)
    index = AddressIndex(ADDRESSES)
    assert len(index._tables) <= objects._MOST_TABLES
    assert index.find(ADDRESSES[::-1]).tolist() == list(range(len(ADDRESSES)))[::-1]
    assert set(index.find(OTHERS).tolist()) == {index.none}
    mixed = np.column_stack((ADDRESSES[:6], OTHERS)).ravel()
    assert index.find(mixed).tolist() == [place for n in range(6) for place in (n, index.none)]


def test_no_two_censuses_have_the_same_hash() -> None:
    """The target cannot choose addresses by it."""
    multipliers = {int(AddressIndex(ADDRESSES[:1])._tables[0][0]) for _ in range(20)}
    assert len(multipliers) == 20
    assert all(one % 2 for one in multipliers)
