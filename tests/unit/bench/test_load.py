from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from bench import load as module
from bench.harness.estimate import Verdict
from bench.harness.locust import Cost, Load
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds


class Bare:
    """A place where nothing is started."""

    def serving(self, _: object) -> nullcontext[None]:
        return nullcontext()


def test_each_rate_has_its_row_against_users_of_that_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads of one row are measured next to each other, forwards and then backwards, each once in a round."""
    measured: list[Load] = []

    def cost_of(_place: object, _server: object, load: Load, _seconds: float) -> Cost:
        measured.append(load)
        rate = load.rps or 9000.0
        slowed = 0.5 if load.planned and load.rps == 2000 else 1.0
        return Cost(rate, slowed * 10_000 * (1 + 0.001 * len(measured)))

    monkeypatch.setattr(module, "cost_of", cost_of)
    place: Any = Bare()
    found = module.compare_loads(place, Rounds(3, 1.0), Progress(lambda _: None, 1.0))
    verdicts = {finding.name: finding.verdict for finding in found}
    assert verdicts == {
        "planned load / FastHttpUser, both at 600/s": Verdict.MET,
        "planned load / FastHttpUser not in step, both at 600/s": Verdict.MET,
        "planned load / FastHttpUser, both at 2,000/s": Verdict.MISSED,
        "planned load / FastHttpUser, both at 4,000/s": Verdict.MET,
        "planned load at 4,000/s / FastHttpUser at its most": Verdict.MET,
        "planned load at 1,000/s a worker, 4 workers / 1": Verdict.MET,
        "planned load / FastHttpUser, both of 4 workers at 1,000/s each": Verdict.MET,
    }
    at_600 = [Load(True, 600), Load(False, 600), Load(False, 600, apart=True)]
    assert measured[:9] == [*at_600, *at_600[::-1], *at_600]
    at_4000 = [Load(True, 4000), Load(False, 4000), Load(False)]
    assert measured[15:24] == [*at_4000, *at_4000[::-1], *at_4000]
