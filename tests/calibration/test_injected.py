"""The injected control on simulated services: how often chance refuses it, and how often a wrong rate is noticed."""

from __future__ import annotations

import pytest

from analysis.judge.types import Margin, Rate
from analysis.verdict.injected import agrees, measured_rate
from tests.calibration.simulator.arms import simulate_arm
from tests.calibration.simulator.kinds import HEALTHY_KINDS
from tests.calibration.simulator.lives import MARGIN

FIRST_SEED = 5000
INJECTED = 4 * MARGIN
NEXT_TO_NOTHING = 1e-6
"""A leak of the candidate, bytes per second: with it the candidate and its copy are drawn alike."""


def rate(kind: str, *, replay: int, added: float) -> Rate | None:
    """Return the rate of the arm's memory at 99.9%; None where what is healthy has not settled."""
    trace = simulate_arm(kind, FIRST_SEED, replay=replay, added=added)
    return measured_rate(trace.arm, trace.load, Margin(per_s=MARGIN)) if trace.decidable else None


@pytest.mark.slow
def test_chance_refuses_no_healthy_service() -> None:
    """The copy is the same service on another day, with an injected leak; twice the rate is noticed in most."""
    pairs = [
        (rate(kind, replay=0, added=NEXT_TO_NOTHING), rate(kind, replay=1, added=INJECTED))
        for kind in HEALTHY_KINDS
    ]
    known = [(own, measured) for own, measured in pairs if own and measured]
    assert len(known) >= 10
    assert all(agrees(INJECTED, measured, own) for own, measured in known)
    assert sum(not agrees(2 * INJECTED, measured, own) for own, measured in known) > len(known) / 2
