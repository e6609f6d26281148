"""The probe is imported as its targets import it: from a directory of its own on the path."""

from __future__ import annotations

import builtins
import gc
import sys
import types
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe.holders import roots, who

from tests.support import planted_holders


@pytest.fixture
def planted_roots(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Start where things are planted: all that a test process has loaded would be walked in each test.

    Every function leads to the builtins, and they by ``help`` and ``sys`` to all modules.
    """

    def planted(own_thread: int) -> list[roots.Root]:
        found = roots.find_roots(own_thread)
        return [
            root
            for root in found
            if root.label in ("shop", "aaa")
            or root.label.startswith(("thread pump", "task "))
            or root.label.endswith("serve_all()")
        ]

    monkeypatch.setattr(who, "find_roots", planted)
    here = [vars(builtins), vars(planted_holders), vars(request.module)]
    monkeypatch.setattr(who, "hidden_names", lambda: [*roots.hidden_names(), *here])


@pytest.fixture
def few_roots(monkeypatch: pytest.MonkeyPatch, planted_roots: None) -> None:
    """Nor walk on from there into what a test process has loaded: its modules and all of the tests.

    Those modules are hidden that were there before the test, but for the rest of the standard library, which targets
    have, too.
    """
    del planted_roots  # where it starts; what is hidden replaces theirs
    here = [
        vars(module)
        for name, module in list(sys.modules.items())
        if isinstance(module, types.ModuleType)
        and (name in ("builtins", "sys") or name.partition(".")[0] not in sys.stdlib_module_names)
    ]
    monkeypatch.setattr(who, "hidden_names", lambda: [*roots.hidden_names(), *here])


@pytest.fixture
def whole_heap() -> Iterator[None]:
    """Take all objects of the process into account again: the tests' conftest has frozen them."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.fixture
def no_greenlets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none: other tests may have left one suspended."""
    monkeypatch.delitem(sys.modules, "greenlet", raising=False)
