"""Under which names the search starts."""

from __future__ import annotations

import sys
import threading
import types
from _thread import get_ident

import pytest
from soak_probe.holders.roots import CROWD, find_roots


@pytest.mark.parametrize("own_name", ["__main__", "__mp_main__"])
def test_the_main_module_has_one_name(monkeypatch: pytest.MonkeyPatch, own_name: str) -> None:
    """Whatever multiprocessing has named it, in the parent process or in a child."""
    main = types.ModuleType(own_name)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setitem(sys.modules, "__mp_main__", main)
    assert [root.label for root in find_roots(get_ident()) if root.names is vars(main)] == ["__main__"]


def test_a_module_is_called_what_it_calls_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the alias under which it was listed first."""
    module = types.ModuleType("shop.cart")
    monkeypatch.setitem(sys.modules, "cart", module)
    monkeypatch.setitem(sys.modules, "shop.cart", module)
    assert [root.label for root in find_roots(get_ident()) if root.names is vars(module)] == ["shop.cart"]


@pytest.mark.parametrize(("count", "late"), [(3, False), (CROWD + 1, True)])
def test_a_crowd_starts_late(count: int, late: bool) -> None:
    """What one of many threads in the same function has at hand says little; that of few is a start as any."""
    ended, ready = threading.Event(), threading.Barrier(count + 1)

    def serves() -> None:
        ready.wait(10)
        ended.wait(10)

    threads = [threading.Thread(target=serves) for _ in range(count)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    try:
        found = [root for root in find_roots(get_ident()) if "serves()" in root.label]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert [root.is_late for root in found] == [late] * count
