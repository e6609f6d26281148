"""The probe is imported as its targets import it: from a directory of its own on the path."""

from __future__ import annotations

import sys
import types

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe.holders import roots, who


@pytest.fixture
def few_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start where things are planted: all that a test process has loaded would be walked in each test.

    Every function leads to the names of its module, and they by ``sys`` to all modules and tests: those that were there
    before the test are hidden, but for the rest of the standard library, which targets have, too.
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

    here = [
        vars(module)
        for name, module in list(sys.modules.items())
        if isinstance(module, types.ModuleType)
        and (name in ("builtins", "sys") or name.partition(".")[0] not in sys.stdlib_module_names)
    ]
    monkeypatch.setattr(who, "find_roots", planted)
    monkeypatch.setattr(who, "hidden_names", lambda: [*roots.hidden_names(), *here])
