"""The injected leak: cumulative totals of each kind, and only where the environment permits it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from soak_probe.answers import Answers
from soak_probe.injection import Injection
from soak_probe.sessions import Sessions

PIECES = {"python": 216, "native": 1008, "mmap": 4096}
"""Bytes of a piece of each kind."""


def inject(into: Injection, kind: str, total: int) -> int:
    held = into.inject({"op": "inject", "kind": kind, "total": total})["held"]
    assert isinstance(held, int)
    return held


@pytest.mark.parametrize("kind", PIECES)
def test_the_total_is_cumulative(kind: str) -> None:
    """Asking twice does nothing, a smaller total frees nothing, and what is held follows what is asked for."""
    injection = Injection()
    assert inject(injection, kind, 0) == 0
    first = inject(injection, kind, 100_000)
    assert 100_000 - PIECES[kind] < first <= 100_000 * 1.01
    assert inject(injection, kind, 100_000) == first
    assert inject(injection, kind, 50_000) == first
    for total in range(110_000, 1_000_000, 10_000):
        held = inject(injection, kind, total)
        assert total - PIECES[kind] < held <= total * 1.01


def test_small_steps_add_up() -> None:
    """A step below one piece is kept for later: a slow leak is not rounded away."""
    injection = Injection()
    for total in range(0, 50_001, 50):
        inject(injection, "python", total)
    assert inject(injection, "python", 50_000) == pytest.approx(50_000, abs=600)


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "gpu", "total": 1},
        {"total": 1},
        *({"kind": "python", "total": total} for total in (-1, 1.5, True, None, 1 << 50)),
    ],
)
def test_what_cannot_be_injected_is_refused(request_: dict[str, Any]) -> None:
    """An unknown kind, and a total that is no number of bytes."""
    with pytest.raises(ValueError, match="is not"):
        Injection().inject(request_)


def ask_inject() -> dict[str, Any]:
    answer = Answers(Sessions()).answer(b'{"op": "inject", "kind": "python", "total": 5000}')
    parsed = json.loads(answer)
    assert isinstance(parsed, dict)
    return parsed


def test_an_ordinary_arm_injects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable the op does not exist."""
    monkeypatch.delenv("SOAK_PROBE_INJECT", raising=False)
    answer = ask_inject()
    assert not answer["ok"]
    assert "op 'inject' is not one of sample, collect" in answer["error"]


def test_the_copy_injects(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it the answer is what is held."""
    monkeypatch.setenv("SOAK_PROBE_INJECT", "1")
    assert ask_inject() == {"ok": True, "held": pytest.approx(5000, abs=300)}
