"""The probe is imported as its targets import it: from a directory of its own on the path."""

from __future__ import annotations

import builtins
import sys

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe.holders import roots, who

from tests.support import planted_holders


@pytest.fixture
def few_roots(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
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
