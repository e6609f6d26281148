"""What a type is called: the census and the probe are joined by that name."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import Any

import pytest
from soak_probe.answers import Answers
from soak_probe.holders.objects import type_name
from soak_probe.sessions import Sessions

from soak.heap.cpython.layout import LAYOUTS
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.cpython.type_names import TypeNames
from tests.support.planted_holders import program
from tests.support.planted_types import table_of


class Text(str):
    """A name that is not to be trusted."""

    def _refuse(self, *_arguments: object) -> Any:
        raise AssertionError("the target's code was run")

    __str__ = __format__ = __eq__ = __hash__ = _refuse


LIKE_A_STR = sum(0b1100100 << 30 * digit for digit in range(20))
"""An int whose third digit is, where a str has it, the state of one that is compact, of ASCII and of a byte each."""


def made(name: str, **names: Any) -> type:
    """Return a class that is made where there is no module, as a type of C may be."""
    found: dict[str, Any] = {"names": names}
    exec(f"X = type({name!r}, (), names)", found)  # noqa: S102 - only there a class gets no __module__
    cls: type = found["X"]
    return cls


def renamed(qualname: str) -> type:
    """Return a class with that name, whatever it is."""
    cls = type("Plain", (), {})
    cls.__qualname__ = qualname
    return cls


TYPES: dict[str, tuple[type, str]] = {
    "builtin": (dict, "builtins.dict"),
    "usual": (Text, f"{__name__}.Text"),
    "without a module": (made("Row"), "?.Row"),
    "without a module, with a dot": (made("shop.Row"), "shop.Row"),
    "a module that is no text": (made("Row", __module__=3), "?.Row"),
    "a module that looks like a text": (made("Row", __module__=LIKE_A_STR), "?.Row"),
    "a module without a letter": (made("Row", __module__=""), "?.Row"),
    "Latin": (renamed("make.<locals>.Größe"), f"{__name__}.make.<locals>.Größe"),
    "Greek": (renamed("make.<locals>.Μέγεθος"), f"{__name__}.make.<locals>.Μέγεθος"),
    "beyond two bytes": (renamed("make.<locals>.\U0001d50aröße"), f"{__name__}.make.<locals>.\U0001d50aröße"),
    "no printable letters": (renamed("a\nb\x1b\ud800"), f"{__name__}.a?b??"),
    "long": (renamed("n" * 5_000), f"{__name__}.{'n' * 5_000}"[:200]),
    "a text of the target": (renamed(Text("Odd")), f"{__name__}.Plain"),
}


@pytest.mark.parametrize("name", TYPES)
def test_census_and_probe_have_one_name_for_a_type(name: str) -> None:
    """By another name a container that is there would be absent."""
    cls, expected = TYPES[name]
    assert type_name(cls) == expected
    if cls is dict:
        return  # the table below is of classes that were made at run time
    with closing(ProcessMemory(os.getpid())) as memory:
        (found,) = TypeNames(memory, LAYOUTS[sys.version_info[:2]], table_of(memory, [cls])).of([0])
    assert found == expected


@pytest.mark.slow
@pytest.mark.usefixtures("few_roots")
@pytest.mark.parametrize("asked", [{"op": "who", "suspects": []}, {"op": "stuck", "room_bytes": None}])
def test_a_type_without_a_module_harms_no_answer(asked: dict[str, Any]) -> None:
    """An object of it is met on the way to others."""
    kept: list[Any] = [[0]]
    if "suspects" in asked:
        asked = {**asked, "suspects": [{"address": id(kept), "type": "builtins.list", "length": 1}]}
    with program(odd=made("Row")(), x=kept):
        answer = json.loads(Answers(Sessions()).answer(json.dumps({**asked, "budget_s": 9}).encode()))
    assert answer["ok"], answer
    assert [one["holder"] for one in answer.get("holders", ())] == ["shop.x"] * ("suspects" in asked)
