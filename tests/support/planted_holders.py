"""Planted holders in the process of the tests, and what the probe answers about them."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from soak_probe.holders.objects import Kinds
from soak_probe.holders.who import Suspect, who

BUDGET_S = 20.0


class Holder:
    """What a program hangs things on."""

    kept: Any

    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def method(self) -> None:
        """Be bound."""


@contextmanager
def program(**names: Any) -> Iterator[types.ModuleType]:
    """Have a module ``shop`` of the target with these names."""
    module = types.ModuleType("shop")
    module.__file__ = "/srv/shop.py"
    vars(module).update(names)
    sys.modules["shop"] = module
    try:
        yield module
    finally:
        del sys.modules["shop"]


def ask(*things: Any) -> list[dict[str, Any]]:
    """Return what the probe says of these objects, through JSON as a client gets it."""
    suspects = [Suspect(id(thing), Kinds().of(thing).name, 0) for thing in things]
    answers: list[dict[str, Any]] = json.loads(json.dumps(who(suspects, BUDGET_S)))["holders"]
    return answers


def path_to(address: int, kind: str = "builtins.list") -> str:
    """Return the path to an object of which only the address is known here."""
    answer: str = who([Suspect(address, kind, 0)], BUDGET_S)["holders"][0]["holder"]
    return answer
