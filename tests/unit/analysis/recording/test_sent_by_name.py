"""Requests by their name: seconds that follow, and those that are needed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.recording.sent_by_name import MOST_NAMES, SENT_COLUMN, SentByName, sent_by_name
from soak.contract import ROTATE_S


def rows_of(first_s: int, *cells: str) -> pd.DataFrame:
    return pd.DataFrame({"t_s": np.arange(first_s, first_s + len(cells), dtype=float), SENT_COLUMN: cells})


def test_seconds_in_parts_are_as_those_read_at_once() -> None:
    """A name may begin late and pause; a damaged cell counts for nothing."""
    cells = ('{"add": 3}', "", '{"add": 1, "find": 2}', "{torn", '{"find": 5}', '{"add": -1, "find": 1e99}')
    at_once = sent_by_name(rows_of(10, *cells))
    parts = SentByName()
    for row, cell in enumerate(cells):
        parts = parts.followed_by(sent_by_name(rows_of(10 + row, cell)))
    assert parts.ends_s.tolist() == at_once.ends_s.tolist() == [11, 12, 13, 14, 15, 16]
    assert {name: sent.tolist() for name, sent in parts.sent.items()} == {
        "add": [3, 3, 4, 4, 4, 4], "find": [0, 0, 2, 2, 7, 7]
    }  # fmt: skip
    assert {name: sent.tolist() for name, sent in at_once.sent.items()} == {
        name: sent.tolist() for name, sent in parts.sent.items()
    }


def test_names_are_bounded() -> None:
    """Damage may name more than a profile can."""
    parts = SentByName()
    for second in range(3):
        cell = ", ".join(f'"{second}-{number}": 1' for number in range(MOST_NAMES))
        parts = parts.followed_by(sent_by_name(rows_of(second, f"{{{cell}}}")))
    assert len(parts.sent) == MOST_NAMES
    assert all(sent.tolist() == [1, 1, 1] for sent in parts.sent.values())


def test_a_second_that_no_reading_needs_is_left_out() -> None:
    """What was sent before each reading, and in half a turn before it, stays; the newest turn does as a whole."""
    draw = np.random.default_rng(1)
    seconds = np.arange(1.0, 1001)
    whole = SentByName(seconds, {"add": draw.integers(0, 9, 1000).cumsum().astype(float)})
    t_s = np.array([0.4, 17.25, 300.0, 640.5, 900.0])
    thin = whole.thinned(t_s)
    for moments in (t_s, t_s - ROTATE_S / 2, np.arange(895.0, 1010.0)):
        assert thin.before(moments)["add"].tolist() == whole.before(moments)["add"].tolist()
    assert len(thin.ends_s) <= 4 * len(t_s) + 110 + 1
    assert thin.thinned(t_s).ends_s.tolist() == thin.ends_s.tolist()
    assert whole.thinned(np.zeros(0)) is whole
    assert SentByName().thinned(t_s).sent == {}
