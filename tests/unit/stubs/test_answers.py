import json
import statistics
from dataclasses import replace
from itertools import islice

from stubs.answers import Behaviour, StubAnswer, StubOutcome, answer_body, answers

CALM = Behaviour(body_bytes=256, latency_ms=5, latency_sigma=0.3, error_rate=0, hang_rate=0)


def take(
    number: int, *, service: str = "orders", behaviour: Behaviour = CALM, seed: int = 1
) -> list[StubAnswer]:
    """Return the first answers of a service."""
    return list(islice(answers(service, behaviour, seed), number))


def test_the_seed_decides() -> None:
    """The same seed and service give the same answers; another seed or another service gives others."""
    assert take(50) == take(50)
    assert take(50)[0].latency_s != take(50, seed=2)[0].latency_s
    assert take(50)[0].latency_s != take(50, service="users")[0].latency_s


def test_services_do_not_disturb_each_other() -> None:
    """A service's n-th answer is the same whatever another one is asked in between."""
    orders, users = answers("orders", CALM, 1), answers("users", CALM, 1)
    mixed = [next(orders), next(users), next(users), next(orders)]
    assert [mixed[0], mixed[3]] == take(2)
    assert mixed[1:3] == take(2, service="users")


def test_latency_is_lognormal_around_its_median() -> None:
    """Half of the answers are faster than the median; the spread of the logarithm is sigma."""
    latencies = [answer.latency_s for answer in take(20_000)]
    assert abs(statistics.median(latencies) - 0.005) < 0.0001
    quartiles = statistics.quantiles(latencies)
    assert (
        abs(quartiles[2] / quartiles[1] - 1.2243) < 0.02
    )  # e ** (0.3 * 0.6745), the normal's third quartile


def test_no_latency() -> None:
    """A median of 0 means an answer at once."""
    assert {answer.latency_s for answer in take(10, behaviour=replace(CALM, latency_ms=0))} == {0}


def test_errors_and_hangs_come_at_their_rates() -> None:
    """Of many requests the given shares fail and hang, within four standard errors."""
    outcomes = [
        answer.outcome for answer in take(20_000, behaviour=replace(CALM, error_rate=0.1, hang_rate=0.02))
    ]
    assert abs(outcomes.count(StubOutcome.ERROR) - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5
    assert abs(outcomes.count(StubOutcome.HANG) - 400) < 4 * (20_000 * 0.02 * 0.98) ** 0.5


def test_rates_of_0_and_1_are_exact() -> None:
    """A service that never fails never fails, and one that always does always does."""
    assert {answer.outcome for answer in take(500)} == {StubOutcome.OK}
    assert {answer.outcome for answer in take(500, behaviour=replace(CALM, error_rate=1))} == {
        StubOutcome.ERROR
    }
    assert {answer.outcome for answer in take(500, behaviour=replace(CALM, hang_rate=1))} == {
        StubOutcome.HANG
    }


def test_a_body_has_its_size() -> None:
    """A body says service and number, and is filled up to its size; numbers that grow do not change that."""
    for number in (1, 99_999):
        text = answer_body("orders", number, 256)
        content = json.loads(text)
        assert (content["service"], content["id"], len(text)) == ("orders", number, 256)


def test_a_body_too_small_to_be_filled() -> None:
    """Service and number are said even when the size is smaller."""
    assert answer_body("orders", 7, 1) == b'{"service": "orders", "id": 7, "data": ""}'
