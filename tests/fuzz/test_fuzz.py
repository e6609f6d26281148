"""The slice of the fuzzing that is run with all tests; ``make fuzz`` is the long run."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz import mutate
from tests.fuzz.kinds import KINDS, MakeKind
from tests.fuzz.run import opened, tried

SEED = 1
BUDGET_MS = 900.0
"""Time of the slice of a kind on an idle core; at most 100 inputs, at least 3."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.cost_ms < 1000], ids=lambda kind: kind.name)
def test_no_input_is_answered_by_a_traceback_a_hang_or_a_lie(kind: MakeKind) -> None:
    """One line and the exit code of usage, a gap or an objection; within its deadline and its bound of memory."""
    count = min(100, max(3, round(BUDGET_MS / kind.cost_ms)))
    with opened(kind) as made:
        found = [one for one in tried(made, SEED, range(count)) if one.complaint]
    assert not found, found[0]


def test_an_input_depends_on_its_seed_alone() -> None:
    """A finding can be had again by its seed, kind and number."""
    first, again, other = (
        mutate.text(Random(seed), "a = 1\nb = 2\n" * 9) for seed in ("1/x/7", "1/x/7", "1/x/8")
    )
    assert first == again
    assert first != other
