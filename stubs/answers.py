"""What a stub service answers: its n-th answer depends on the seed, its name and n alone."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class StubOutcome(Enum):
    """How a request ends."""

    OK = "ok"
    ERROR = "error"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a service behaves; rates are shares of its requests."""

    body_bytes: int
    latency_ms: float
    """Median of a lognormal distribution."""
    latency_sigma: float
    """Standard deviation of the latency's natural logarithm."""
    error_rate: float
    hang_rate: float


@dataclass(frozen=True, slots=True)
class StubAnswer:
    """One answer: how the request ends, after how long, and the JSON body if it ends well."""

    outcome: StubOutcome
    latency_s: float
    body: bytes


def answers(service: str, behaviour: Behaviour, seed: int) -> Iterator[StubAnswer]:
    """Yield the answers of a service, without end."""
    draw = random.Random(f"{seed} {service}")
    number = 0
    while True:
        number += 1
        latency_s = behaviour.latency_ms / 1000 * math.exp(draw.gauss(0.0, behaviour.latency_sigma))
        chance = draw.random()
        if chance < behaviour.hang_rate:
            outcome = StubOutcome.HANG
        elif chance < behaviour.hang_rate + behaviour.error_rate:
            outcome = StubOutcome.ERROR
        else:
            outcome = StubOutcome.OK
        yield StubAnswer(outcome, latency_s, answer_body(service, number, behaviour.body_bytes))


def answer_body(service: str, number: int, size_bytes: int) -> bytes:
    """Return an answer filled up to ``size_bytes``; longer when service and number alone need more."""
    bare = len(json.dumps({"service": service, "id": number, "data": ""}))
    return json.dumps({"service": service, "id": number, "data": "x" * (size_bytes - bare)}).encode()
