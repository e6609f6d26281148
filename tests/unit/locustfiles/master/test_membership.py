from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from locust import runners
from locust.runners import STATE_MISSING, STATE_RUNNING

from locustfiles.master.membership import SILENT_S, wait_for_silent_workers
from locustfiles.messages import PLAN, REFUSED, STOP
from locustfiles.schedule.plan_file import parse_traffic

if TYPE_CHECKING:
    from tests.unit.locustfiles.master.conftest import Master


def test_those_who_joined_share_the_load(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers share a load in the order in which they joined; it is complete with as many as are expected."""
    master.join("one")
    assert not master.members.complete.is_set()
    master.join("two")
    assert master.members.complete.is_set()
    assert master.members.begin_load() == ("one", "two")
    assert capsys.readouterr().err == "worker one joined: 1 of 2\nworker two joined: 2 of 2\n"


def test_a_worker_with_another_plan(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker whose plan is not the master's gets no share, and the reason."""
    master.join("one", seed=8)
    reason = "worker one gets no share of the load: its traffic.json is not a copy of the master's; copy that"
    assert master.sent(REFUSED) == [("one", {"reason": reason})]
    assert capsys.readouterr().err == f"{reason}\n"
    assert master.members.begin_load() == ()


def test_a_worker_that_is_late(master: Master) -> None:
    """Nobody joins a load that is under way; after it the worker is welcome."""
    master.members.begin_load()
    master.join("one")
    reason = "worker one gets no share of the load: it joined after the start of the load; start it before"
    assert master.sent(REFUSED) == [("one", {"reason": reason})]
    master.members.end_load()
    master.join("one")
    assert master.members.begin_load() == ("one",)


def test_a_worker_that_is_back(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that was cut off in a load is stopped, again when it is back, and has a share of the next load."""
    for worker in ("one", "two"):
        master.join(worker)
    master.members.begin_load()
    node = master.runner.clients["one"]
    node.state = STATE_MISSING
    assert master.members.newly_lost(("one", "two")) == ["one"]
    assert capsys.readouterr().err.endswith("soak: worker lost one: its share is missed\n")
    node.state = STATE_RUNNING
    master.members.stop_if_lost("one")
    master.members.stop_if_lost("two")
    assert master.sent(STOP) == [("one", {"end_s": 0.5})] * 2
    assert not master.members.all_lost
    assert master.members.begin_load() == ("one", "two")


def test_a_worker_may_be_silent_for_ten_seconds(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine holds one up; after four seconds, as by default, it would lose the rest of its share."""
    monkeypatch.setattr(runners, "HEARTBEAT_LIVENESS", runners.HEARTBEAT_LIVENESS)
    wait_for_silent_workers()
    for worker in ("one", "two"):
        master.join(worker)
        master.receive(worker, "heartbeat", {"state": STATE_RUNNING, "current_cpu_usage": 0})
    looks = list[str]()

    def next_second(_seconds: float) -> None:
        master.receive("two", "heartbeat", {"state": STATE_RUNNING, "current_cpu_usage": 0})
        looks.append(master.runner.clients["one"].state)
        if STATE_MISSING in looks:
            raise StopIteration

    monkeypatch.setattr("locust.runners.gevent.sleep", next_second)
    with pytest.raises(StopIteration):
        master.runner.heartbeat_worker()
    assert len(looks) == SILENT_S + 3  # the first look is at once
    assert master.runner.clients["two"].state == STATE_RUNNING


def test_the_plan_is_given_to_whoever_asks(master: Master) -> None:
    """A worker to be gets the plan as it was read, before it joins."""
    master.receive("somebody", PLAN, None)
    ((who, answer),) = master.sent(PLAN)
    assert (who, parse_traffic(answer["traffic"])) == ("somebody", master.traffic)
