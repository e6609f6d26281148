from __future__ import annotations

import json
import sys
import weakref
from typing import Any

import pytest
from soak_probe.holders.objects import Kinds
from soak_probe.holders.retained import Retention

from tests.support.planted_holders import Holder, ask, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


class TestRetained:
    def test_all_of_a_small_container_is_walked(self) -> None:
        """The bytes are those of sys.getsizeof over everything that hangs on it, each object once."""
        shared = "s" * 1_000
        kept = [{"a": b"x" * 500, "b": shared} for _ in range(50)]
        with program(x=kept):
            answer = ask(kept)[0]
        expected = sys.getsizeof(kept) + sys.getsizeof(shared) + sys.getsizeof("a") + sys.getsizeof("b")
        expected += sum(sys.getsizeof(entry) for entry in kept) + sys.getsizeof(kept[0]["a"])
        assert answer["retained_whole"] == 1
        assert answer["retained_bytes"] == pytest.approx(expected, abs=16 * 50)  # of the untracked, too

    def test_of_a_large_container_a_sample_is_walked(self) -> None:
        """20,000 entries of different bytes and one that all share: within 5% of the truth, and said to be no count."""
        shared = bytes(1_000_000)
        kept = [[bytes(1_000 + number % 100), shared] for number in range(20_000)]
        with program(x=kept):
            answer = ask(kept)[0]
        truth = sys.getsizeof(kept) + len(shared) + 20_000 * (72 + 33 + 1_049.5)
        assert answer["retained_whole"] == 0
        assert answer["retained_bytes"] == pytest.approx(truth, rel=0.05)

    def test_entries_with_weak_keys_are_told(self) -> None:
        """They stay for as long as somebody holds the keys; one that is keyed by a word is held by the dict itself."""
        keys = [Holder() for _ in range(50)]
        kept: Any = weakref.WeakKeyDictionary({key: [0] for key in keys})
        with program(x=kept):
            entries = ask(kept.data)[0]["entries"]
            kept.data["a"] = [0]
            mixed = ask(kept.data)[0]["entries"]
        assert [entry["state"] for entry in entries] == ["weak"] * 3
        assert not any("state" in entry for entry in mixed)

    def test_what_others_hold_too_does_not_count(self) -> None:
        """A reference to the program's own tables, classes and modules adds nothing."""
        tables = [bytes(1_000_000)]
        kept = [[tables, Holder, sys] for _ in range(100)]
        with program(tables=tables, x=kept):
            assert ask(kept)[0]["retained_bytes"] < 20_000

    def test_two_suspects_in_one_do_not_count_for_each_other(self) -> None:
        """What is a suspect itself is asked for by its own address."""
        inner, outer = [bytes(100_000)], [bytes(1_000)]
        with program(x=Holder(inner), y=[outer, inner]):
            assert [answer["retained_bytes"] < 2_000 for answer in ask(inner, outer)] == [False, True]

    def test_time_is_bounded(self) -> None:
        """A walk that is out of time is cut short and says so."""
        late = iter([0.0, *([10.0] * 100)])
        retention = Retention(Kinds(), lambda _thing: False, 20.0, lambda: next(late))
        assert not retention.of_container([[1], [2]]).whole

    def test_entries_have_types_and_sizes_and_no_values(self) -> None:
        """Whatever is in a container, none of it is in the answer."""
        kept = [{"password": "hunter2", "n": 4711}, "hunter2" * 5, {"hunter2"}]
        with program(x=kept):
            answer = ask(kept)[0]
        assert [entry["type"] for entry in answer["entries"]] == [
            "builtins.dict",
            "builtins.str",
            "builtins.set",
        ]
        assert "hunter2" not in json.dumps(answer)
        assert "4711" not in json.dumps(answer)
