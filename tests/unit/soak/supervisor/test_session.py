"""What a run and an attached sampling have in common."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Event

import pytest

from soak.config.profile import SamplingSettings
from tests.unit.soak.supervisor.conftest import ScriptedRun


class FirstWait(Event):
    """Ends a sampler at its second wait, and has the first."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        return len(self.waits_s) > 1


@pytest.mark.parametrize("every_s", [0.1, 1.0, 9.0])
def test_arms_are_read_one_after_the_other(make_run: Callable[..., ScriptedRun], every_s: float) -> None:
    """Ten more arms begin at moments of their own, spread over a second or a shorter step."""
    session = make_run().session
    firsts_s = []
    for number in range(10):
        sampler = session.add_sampler(f"arm{number}", SamplingSettings(every_s=every_s))
        sampler.run(wait := FirstWait())
        firsts_s.append(wait.waits_s[0])
    step_s = min(every_s, 1.0)
    assert 0 <= min(firsts_s) <= max(firsts_s) < step_s
    assert min(later - first for first, later in pairwise(sorted(firsts_s))) > step_s / 20
