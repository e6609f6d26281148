"""Answers of Prometheus, from their bytes to the report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from analysis.judge.types import Margin
from analysis.prometheus.judged import judge_services
from analysis.prometheus.queries import Query, Span
from analysis.prometheus.question import Question, ask
from analysis.report.prometheus import report_files
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE
from tests.fuzz import mutate
from tests.fuzz.entry import Kind, complaint, ended
from tests.fuzz.recordings import with_planted_judge
from tests.support.scripted_prometheus import matrix

BEGIN_S: Final = 1_767_225_600.0
HOUR_S: Final = 3600.0
HOURS: Final = 72


def _answer(metric: str) -> str:
    times = [BEGIN_S + 1800.0 * step for step in range(2 * HOURS)]
    values = {"memory": 20_000 * 4096.0, "start": BEGIN_S - 5.25, "requests": 0.0}
    rise = {"memory": 3 * 4096.0, "start": 0.0, "requests": 900.0}
    pods = ("shop-a", "shop-b")
    return matrix(
        *(
            (
                {"pod": pod, "job": "shop"},
                [(t_s, values[metric] + rise[metric] * at) for at, t_s in enumerate(times)],
            )
            for pod in pods
        )
    ).body.decode()


@dataclass(frozen=True)
class _Answers:
    """An asker whose answers are given, by the option of the query."""

    bodies: Mapping[str, bytes]

    async def ask(self, endpoint: str, form: Mapping[str, str], option: str) -> bytes:
        """Return the body for a query."""
        del endpoint, form
        return self.bodies[option]


class Prometheus(Kind):
    """Answers to the three queries of ``soak judge --prometheus``, one of which is changed."""

    name = "prometheus"
    inputs = 1000
    cost_ms = 25.0

    def __init__(self, scratch: Path) -> None:
        del scratch
        self._originals = {
            "--query": _answer("memory"),
            "--starts": _answer("start"),
            "--requests": _answer("requests"),
        }
        self._give_back = with_planted_judge()

    def try_one(self, random: Random) -> str:
        """Verdicts, and now and then a report of them; or refused in one line."""
        bodies = {option: text.encode() for option, text in self._originals.items()}
        changed = random.choice(list(bodies))
        bodies[changed] = mutate.encoded(random, mutate.text(random, self._originals[changed]))
        memory, starts, requests = (
            Query(metric, option) for metric, option in zip(("m", "s", "requests_total"), bodies, strict=True)
        )
        question = Question(memory, requests, starts, Span(BEGIN_S, BEGIN_S + HOURS * HOUR_S))
        reports = random.random() < 0.01

        def judge() -> None:
            found = asyncio.run(ask(_Answers(bodies), question))
            judged = judge_services(found, "http://127.0.0.1:9090", Margin(per_s=291.0), None)
            if reports:
                report_files(judged)
            raise SystemExit(judged.judged.signoff.exit_code)

        return complaint(ended(judge), (EXIT_OK, EXIT_USAGE, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE))

    def close(self) -> None:
        """Give the real judge back."""
        self._give_back()
