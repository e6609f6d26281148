"""Paths through linked lists and long names; no socket, no other process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from soak_probe.answers import Answers
from soak_probe.holders import paths
from soak_probe.holders.objects import attributes_of
from soak_probe.holders.paths import LONGEST_PATH, SHOWN_STEPS
from soak_probe.sessions import Sessions

from soak.sampling.probe_answers import read_answer
from tests.support.planted_holders import BUDGET_S, Holder, path_to, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]
PART = ".kept" * SHOWN_STEPS


def linked(steps: int, end: Any) -> Holder:
    """Return the first of so many objects that refer to each other, the last one to ``end``."""
    found = end
    for _ in range(steps):
        found = Holder(found)
    first: Holder = found
    return first


def unlink(first: Any) -> None:
    """Take a list apart, or freeing it would go as deep as it is long."""
    while type(first) is Holder:
        first.kept, first = None, first.kept


def answer_about(*things: list[Any]) -> list[str]:
    """Return the paths as a client takes them: of an answer that it refuses there are none."""
    suspects = [{"address": id(thing), "type": "builtins.list", "length": 1} for thing in things]
    line = Answers(Sessions()).answer(
        json.dumps({"op": "who", "suspects": suspects, "budget_s": BUDGET_S}).encode()
    )
    return [holder["holder"] for holder in read_answer("who", line)["holders"]]


def test_a_long_path_has_both_ends_and_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 3,000 objects one after the other only those that are written are looked at, as that may change them."""
    looked_at: list[Any] = []
    look = attributes_of

    def spy(thing: Any) -> Any:
        looked_at.append(thing)
        return look(thing)

    monkeypatch.setattr(paths, "attributes_of", spy)
    deep: list[Any] = [[0]]
    plain: list[Any] = [[0]]
    first = linked(3_000, deep)
    with program(first=first, cache=plain):
        found = answer_about(plain, deep)
    assert len(looked_at) < 4 * SHOWN_STEPS + 10
    unlink(first)
    assert found[0] == "shop.cache"
    assert found[1].startswith("shop.first.kept.kept")
    assert found[1].endswith(".kept.kept")
    assert found[1].count("…") == 1
    assert SHOWN_STEPS <= found[1].count(".kept") <= 2 * SHOWN_STEPS + 4


@pytest.mark.parametrize("kept", ["name", "key"])
def test_long_names_are_cut_and_harm_no_other(kept: str) -> None:
    """A name may have any length: a path has both ends of its text."""
    plain: list[Any] = [[0]]
    deep: list[Any] = [[0]]
    name = "n" * 50_000
    holder: Any = Holder()
    setattr(holder, name, deep)
    names = {name: deep} if kept == "key" else {"x": holder}
    with program(**names, cache=plain):
        found = answer_about(plain, deep)
    assert found[0] == "shop.cache"
    assert found[1].startswith("shop.")
    assert len(found[1]) == LONGEST_PATH + 1


def test_a_path_of_few_references_is_whole() -> None:
    """Nothing is left out of a path that a person can read."""
    kept: list[Any] = [[0]]
    address = id(kept)
    # up to Python 3.10 each step is two references, as there is a dict between
    with program(x=linked(SHOWN_STEPS, kept)):
        del kept
        assert path_to(address) == f"shop.x{PART}"
