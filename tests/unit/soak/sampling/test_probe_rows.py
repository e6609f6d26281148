"""The rows made of the probe's answer about holders. A scripted probe, no process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soak.contract import HOLDER_COLUMNS, names
from soak.heap.model import HeapSuspect
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.sampling.probe_rows import name_holders

CACHE = HeapSuspect(0xBEEF, "builtins.dict", 900)
LINKS = HeapSuspect(0, "shop.Link", 50)


class ScriptedProbe(ProbeClient):
    """Gives one answer and keeps what it was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(Path("nowhere"), 1)
        self._answer = answer
        self.asked: list[tuple[str, float, dict[str, object]]] = []

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        self.asked.append((op, timeout_s, arguments))
        return self._answer


def test_each_suspect_becomes_a_row() -> None:
    """Named ones have path, bytes and entries; others the word for why not; what was not read is None."""
    entries = [{"type": "builtins.str", "bytes": 80}]
    named = {"holder": "shop.cache", "retained_bytes": 7_000, "retained_whole": 0, "entries": entries}
    probe = ScriptedProbe(
        {
            "holders": [
                {"address": 0xBEEF, "type": "builtins.dict", "length": 900, **named},
                {"address": 0, "type": "shop.Link", "length": 50, "holder": "", "state": "cycle"},
                {"address": 16, "type": "builtins.list", "length": 5, "holder": ""},
            ]
        }
    )
    assert name_holders(probe, [CACHE, LINKS, HeapSuspect(16, "builtins.list", 5)], 10.0) == [
        {
            "address": "0xbeef",
            "type": "builtins.dict",
            "length": 900,
            "holder": "shop.cache",
            "retained_bytes": 7_000,
            "retained_whole": 0,
            "entries": '[{"type": "builtins.str", "bytes": 80}]',
        },
        {
            "address": None,
            "type": "shop.Link",
            "length": 50,
            "holder": None,
            "retained_bytes": None,
            "retained_whole": None,
            "entries": '[{"state": "cycle"}]',
        },
        {
            "address": "0x10",
            "type": "builtins.list",
            "length": 5,
            "holder": None,
            "retained_bytes": None,
            "retained_whole": None,
            "entries": None,
        },
    ]
    op, timeout_s, arguments = probe.asked[0]
    assert (op, timeout_s, arguments["budget_s"]) == ("who", 10.0, 8.0)
    assert arguments["suspects"][0] == {"address": 0xBEEF, "type": "builtins.dict", "length": 900}  # type: ignore[index]


def test_rows_have_the_columns_of_the_recording() -> None:
    """Every name is a column of holders.csv."""
    probe = ScriptedProbe({"holders": [{"address": 1, "type": "a.B", "length": 2, "holder": "a.b"}]})
    assert name_holders(probe, [CACHE], 10.0)[0].keys() <= set(names(HOLDER_COLUMNS))


def test_the_probes_own_is_told_apart() -> None:
    """What the probe itself keeps about the target is no leak of the target, and is not unnamed either."""
    probe = ScriptedProbe(
        {"holders": [{"address": 1, "type": "builtins.dict", "length": 2, "holder": "", "state": "probe"}]}
    )
    assert name_holders(probe, [CACHE], 10.0)[0]["entries"] == '[{"state": "probe"}]'


def test_nothing_is_asked_about_nothing() -> None:
    """Without suspects the target is left alone."""
    probe = ScriptedProbe({})
    assert name_holders(probe, [], 10.0) == []
    assert probe.asked == []


def test_what_the_suspect_is_comes_from_the_census() -> None:
    """A probe that names another address, type or length moves no row."""
    probe = ScriptedProbe({"holders": [{"address": 1, "type": "a.B", "length": 2, "holder": "a.b"}]})
    [row] = name_holders(probe, [CACHE], 10.0)
    assert (row["address"], row["type"], row["length"]) == ("0xbeef", "builtins.dict", 900)
    assert row["holder"] == "a.b"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_answer_about_others_is_an_error(count: int) -> None:
    """Its rows could not be told apart."""
    with pytest.raises(ProbeError, match=rf"^probe: who: {count} answers about 2 suspects$"):
        name_holders(ScriptedProbe({"holders": [{"holder": ""}] * count}), [CACHE, LINKS], 10.0)


def test_most_of_a_short_time_is_the_probes() -> None:
    """The budget stays below the time for the answer, however short that is."""
    probe = ScriptedProbe({"holders": [{"holder": ""}]})
    name_holders(probe, [CACHE], 1.0)
    assert probe.asked[0][2]["budget_s"] == pytest.approx(0.7)
