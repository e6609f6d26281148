"""An arm that runs elsewhere in a run of scripted processes: loaded and read, and nothing else."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from soak.contract import PHASES
from soak.elsewhere.exchange import Metrics
from soak.elsewhere.exposition import MetricsError, RefusedError
from soak.errors import UsageError
from soak.supervisor.phases import timed
from tests.support.metrics_server import START, exposition
from tests.unit.soak.supervisor.conftest import MakeRun, ScriptedRun

URL = 'arms.prod={ url = "http://10.0.0.7:8000", role = "after" }'
ONE_ARM = 'arms.new.role=""'


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bytes]], None]:
    """A function that sets what each reading of the metrics returns."""

    def set_to(fetch: Callable[[], bytes]) -> None:
        monkeypatch.setattr(Metrics, "fetch", lambda _self: fetch())

    return set_to


Fetched = Callable[[Callable[[], bytes]], None]


def of_prod(run: ScriptedRun) -> list[tuple[str, str]]:
    return [(event, detail) for event, arm, detail in run.events("start", "ready", "exit") if arm == "prod"]


def test_it_is_loaded_and_neither_started_nor_stopped(make_run: MakeRun, fetched: Fetched) -> None:
    """Its events are that it answers; no process has its name, and no exit ends it."""
    fetched(exposition)
    run = make_run(ONE_ARM, URL)
    run.go()
    assert run.phases() == list(PHASES)
    assert "prod" not in run.machine.stopped
    assert [child.spec.name for child in run.machine.children].count("prod") == 0
    assert of_prod(run) == [
        ("start", "it runs elsewhere, at http://10.0.0.7:8000/metrics"),
        ("ready", of_prod(run)[1][1]),
    ]
    assert run.plan.traffic.arms["prod"] == "http://10.0.0.7:8000"
    assert run.manifest["status"] == "complete"
    assert not (run.directory / "prod" / "holders.csv").exists()


def test_no_census_is_taken_or_missed_of_it(make_run: MakeRun, fetched: Fetched) -> None:
    """It has no process here; a census that is not answered is a gap of the other arm alone."""
    fetched(exposition)
    run = make_run("sampling.census_every_s=10", ONE_ARM, URL)
    run.go()
    missed = run.manifest["missed_readings"]
    assert "census from outside" in missed["new"]
    assert missed["prod"] == {}


def test_the_limit_of_the_others_is_not_shown_as_its_own(make_run: MakeRun, fetched: Fetched) -> None:
    """Nobody here knows its limit: an alert on the others' would be wrong."""
    fetched(exposition)
    run = make_run('limit.memory="512 MiB"', ONE_ARM, URL)
    run.go()
    *_, last, ended = run.shown
    assert last is not None
    assert ended is None
    assert {arm.name: arm.limit_bytes for arm in last.arms} == {
        "old": 512 << 20, "new": 512 << 20, "prod": None,
    }  # fmt: skip


def test_the_manifest_has_where_it_is_and_no_limit_of_it(make_run: MakeRun) -> None:
    """The limit of the others is not its own, and nobody knows its build."""
    manifest = make_run(ONE_ARM, URL).session.manifest
    [prod] = [arm for arm in manifest["arms"] if arm["name"] == "prod"]
    assert prod == {
        "name": "prod", "role": "after", "memory_limit_bytes": None, "build": None,
        "url": "http://10.0.0.7:8000", "metrics": "/metrics",
    }  # fmt: skip
    assert manifest["limit_mechanism"] == "scripted"
    assert "prod" not in [one["name"] for one in manifest["processes"]]


def test_one_that_answers_late_is_waited_for(make_run: MakeRun, fetched: Fetched) -> None:
    run = make_run(ONE_ARM, URL)

    def fetch() -> bytes:
        if run.machine.now_s < 8:
            raise MetricsError("no answer (Connection refused)")
        return exposition()

    fetched(fetch)
    run.go()
    with (run.directory / "events.csv").open() as file:
        [ready] = [row for row in csv.DictReader(file) if (row["event"], row["arm"]) == ("ready", "prod")]
    assert 8 <= float(ready["t_s"]) < 8.5


@pytest.mark.parametrize(
    ("error", "why", "by_s"),
    [
        (RefusedError("answered 404; set metrics to its path"), "answered 404; set metrics to its path", 2),
        (MetricsError("no answer (Connection refused)"), "no answer (Connection refused) within 30 s", 40),
    ],
)
def test_one_that_will_not_do_ends_the_run_with_its_fix(
    make_run: MakeRun, fetched: Fetched, error: MetricsError, why: str, by_s: float
) -> None:
    """At once, or when its time is over; the other arms are stopped."""

    def fetch() -> bytes:
        raise error

    fetched(fetch)
    run = make_run(ONE_ARM, URL)
    with pytest.raises(UsageError) as raised:
        run.go()
    assert str(raised.value) == (
        f"prod: http://10.0.0.7:8000/metrics: {why}. Fix arms.prod.url or .metrics in the profile."
    )
    assert run.machine.now_s < by_s
    assert run.manifest["status"] == "failed"


def test_a_run_goes_on_without_the_arms_of_ours(make_run: MakeRun, fetched: Fetched) -> None:
    """One that is watched never counts as dead for good: whoever runs it may start it again."""
    fetched(exposition)
    run = make_run(ONE_ARM, URL, "limit.max_restarts=0")
    for name in ("old", "new"):
        run.machine.at(30.0, lambda name=name: run.machine.child(name).end(1))  # type: ignore[misc]
    run.go()
    assert run.phases() == list(PHASES)


def test_several_processes_behind_one_address_are_refused(make_run: MakeRun, fetched: Fetched) -> None:
    starts = iter(range(1000))
    fetched(lambda: exposition(start=START + next(starts) % 2))
    with pytest.raises(
        UsageError, match="2 processes answer there, by their start times; name one by its own"
    ):
        make_run(ONE_ARM, URL).go(timed)
