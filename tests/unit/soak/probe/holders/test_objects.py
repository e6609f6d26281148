from __future__ import annotations

import _asyncio
import gc
from typing import Any

import pytest
from soak_probe.holders.objects import referents

from tests.support.planted_holders import ask, program


def test_the_collector_is_never_asked_for_the_state_of_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """There CPython 3.12.0 to 3.12.5 returns objects that are freed; all that has a name is found without it."""
    asked: list[Any] = []
    ask_collector = gc.get_referents

    def spy(*things: Any) -> list[Any]:
        asked.extend(thing for thing in things if thing is _asyncio)
        return ask_collector(*things)

    monkeypatch.setattr(gc, "get_referents", spy)
    kept: list[list[Any]] = [[] for _ in range(50)]
    with program(x=kept, module=_asyncio):
        ask(kept)
    assert not asked
    assert _asyncio.Task in referents(_asyncio)
    assert referents([kept]) == [kept]
