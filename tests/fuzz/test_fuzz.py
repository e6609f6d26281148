"""The slice of the fuzzing that is run with all tests; ``make fuzz`` is the long run."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from soak.errors import UsageError
from tests.fuzz import mutate, run
from tests.fuzz.entry import Kind, complaint, ended
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


class Planted(Kind):
    """A kind whose only input is answered as a test wants."""

    name = "planted"
    inputs = 1
    cost_ms = 1.0

    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer

    def try_one(self, random: Random) -> str:
        """Complain of what a command prints."""
        del random
        return complaint(ended(self._answer), (0, 2))


def _refuse() -> None:
    raise UsageError("x.toml: 'a': must be above 0.")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (lambda: None, ""),
        (_refuse, ""),
        (lambda: int("x"), "ValueError: invalid literal"),
        (lambda: bytearray(4 << 30), "MemoryError"),
        (lambda: threading.Event().wait(60), "not done after"),
        (lambda: print("\x1b[2J"), "control characters"),
        (lambda: sys.exit(1), "exit code 1"),
    ],
    ids=["honest", "refused", "traceback", "memory", "hang", "escape", "code"],
)
def test_what_is_planted_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Callable[[], object], wrong: str
) -> None:
    """Each fault is a finding, and an honest answer or refusal is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if wrong.startswith("not done"):
        monkeypatch.setattr(run, "DEADLINE_S", 0.2)
        monkeypatch.setattr(run, "MOST_WALL_S", 0.2)
    [found] = tried(Planted(answer), SEED, [0])
    assert wrong in found.complaint
    assert bool(found.complaint) == bool(wrong)


def test_an_input_depends_on_its_seed_alone() -> None:
    """A finding can be had again by its seed, kind and number."""
    first, again, other = (
        mutate.text(Random(seed), "a = 1\nb = 2\n" * 9) for seed in ("1/x/7", "1/x/7", "1/x/8")
    )
    assert first == again
    assert first != other
