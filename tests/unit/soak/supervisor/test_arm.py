"""One arm through its lives, by scripted processes, limits and readings."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from soak.config.profile import LimitSettings, SamplingSettings
from soak.contract import RUNGS
from soak.errors import UsageError
from soak.limit.base import Counters
from soak.plan.arm_plan import ArmPlan
from soak.process.child import start_kept
from soak.process.spec import ProcessSpec
from soak.sampling.probe_answers import ProbeError
from soak.sampling.target import Target
from soak.status.terminal import Progress
from soak.supervisor.arm import ArmRun
from soak.supervisor.ending import StopRequest
from soak.supervisor.session import Session
from tests.support.detached import DETACHED
from tests.support.scripted_machine import NoGuard, ScriptedChild, ScriptedMachine


class ArmOnPaper:
    """An arm of a scripted machine, looked after every tenth of a second."""

    def __init__(self, directory: Path, limit: LimitSettings) -> None:
        self.machine = ScriptedMachine()
        self.directory = directory
        self.session = Session(
            directory,
            {},
            NoGuard(),
            Progress(Console(quiet=True)),
            self.machine.clock,
            self.machine.machine,
            StopRequest(),
        )
        spec = ProcessSpec("shop", ("shop",), directory, url="http://127.0.0.1:1", ready="/healthz")
        sampler = self.session.add_sampler("shop", SamplingSettings())
        self.arm = ArmRun(
            ArmPlan("shop", "", spec), limit, self.machine.mechanism, self.session, sampler, directory
        )

    def stop(self) -> None:
        """Stop the arm as a run does."""
        if (child := self.arm.begin_stop()) is not None:
            self.session.ending.stop([child])
        self.arm.finish_stop()

    def until(self, t_s: float) -> None:
        """Look after the arm until then."""
        while self.machine.now_s < t_s:
            self.arm.poll()
            self.machine.sleep(0.1)

    def events(self, *columns: str) -> list[tuple[str, ...]]:
        with (self.directory / "events.csv").open() as file:
            return [tuple(row[name] for name in columns) for row in csv.DictReader(file)]


MakeArm = Callable[..., ArmOnPaper]


@pytest.fixture
def make_arm(tmp_path: Path) -> Iterator[MakeArm]:
    made: list[ArmOnPaper] = []

    def make(**limit: Any) -> ArmOnPaper:
        made.append(ArmOnPaper(tmp_path, LimitSettings(**limit)))
        return made[0]

    yield make
    for one in made:
        one.stop()
        one.session.close()


def test_an_arm_is_up_from_when_it_answers_until_it_dies(make_arm: MakeArm) -> None:
    """Before and after, nothing is sampled. Until then it is starting, also before it has a process."""
    shop = make_arm()
    assert (shop.arm.up, shop.arm.status.starting) == (False, True)
    shop.arm.start()
    assert (shop.arm.up, shop.arm.status.starting) == (False, True)
    shop.until(1.0)
    assert (shop.arm.up, shop.arm.status.starting) == (True, False)
    assert [target.life for target in shop.arm.sampler.targets] == [1]
    shop.machine.child("shop").end(1)
    shop.until(1.5)
    assert (shop.arm.up, shop.arm.status.starting) == (False, False)
    assert shop.arm.sampler.targets == ()


def test_a_daemon_is_sampled_as_a_process_of_its_arm(make_arm: MakeArm) -> None:
    """Its memory would be in no reading: no process of the arm is its parent."""
    argv = [sys.executable, "-S", "-c", DETACHED]
    keeper, channel, pid = start_kept("shop", argv, dict(os.environ), stdout=subprocess.PIPE)
    with keeper, channel:
        assert keeper.stdout is not None
        daemon = int(keeper.stdout.readline())
        shop = make_arm()
        shop.machine.on_spawn = lambda child: setattr(child, "pid", pid)
        shop.arm.start()
        shop.until(1.0)
        assert [target.pid for target in shop.arm.sampler.targets] == [pid, daemon]
        channel.send(b"k")


@pytest.mark.parametrize(("leaves_s", "by", "kills"), [(2.0, "kernel", 1), (60.0, "unknown", 0)])
def test_a_worker_was_killed_by_the_limit_if_it_left_then(
    make_arm: MakeArm, leaves_s: float, by: str, kills: int
) -> None:
    """One that ends a minute after the limit counted a kill, which was of a command, has recycled."""
    argv = [sys.executable, "-S", "-c", DETACHED]
    keeper, channel, pid = start_kept("shop", argv, dict(os.environ), stdout=subprocess.PIPE)
    with keeper, channel:
        assert keeper.stdout is not None
        daemon = int(keeper.stdout.readline())
        shop = make_arm(memory="64 MiB")
        shop.machine.on_spawn = lambda child: setattr(child, "pid", pid)
        shop.arm.start()
        shop.until(1.0)
        shop.machine.mechanism.limits[0].counted = Counters(oom_kills=1, met_limit=True)
        shop.machine.at(leaves_s, lambda: end_for_good(daemon))
        shop.until(leaves_s + 2.0)
        exits = [row for row in shop.events("event", "pid", "by") if row[0] == "exit"]
        assert exits == [("exit", str(daemon), by)]
        assert shop.arm.oom_kills == kills
        channel.send(b"k")


def end_for_good(pid: int) -> None:
    """Kill a process, and wait until it is gone."""
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process], 5.0)


def test_a_kill_by_the_limit_is_one_of_memory(make_arm: MakeArm) -> None:
    """The limit's counters are recorded, and each life has a limit of its own."""
    shop = make_arm(memory="64 MiB", restart_delay_s=2)
    shop.arm.start()
    shop.until(1.0)
    shop.machine.mechanism.limits[0].counted = Counters(peak_bytes=64 << 20, oom_kills=1, met_limit=True)
    shop.machine.child("shop").end(-9)
    shop.until(5.0)
    assert shop.arm.oom_kills == 1
    assert shop.arm.starts == 2
    assert len(shop.machine.mechanism.limits) == 2
    assert shop.events("event", "life", "by")[2:5] == [
        ("exit", "1", "kernel"), ("limit", "1", ""), ("restart", "2", "")
    ]  # fmt: skip
    [(_, counted)] = [row for row in shop.events("event", "detail") if row[0] == "limit"]
    assert '"peak_bytes": 67108864' in counted


def test_a_kill_for_the_memory_of_others_is_none_of_the_arm(make_arm: MakeArm) -> None:
    """The kernel killed in its cgroup, as for the pod around it, and its charge was below its limit."""
    shop = make_arm(memory="64 MiB", restart_delay_s=2)
    shop.arm.start()
    shop.until(1.0)
    shop.machine.mechanism.limits[0].counted = Counters(peak_bytes=20 << 20, oom_kills=1, met_limit=False)
    shop.machine.child("shop").end(-9)
    shop.until(1.5)
    assert shop.arm.oom_kills == 0
    assert [by for event, by in shop.events("event", "by") if event == "exit"] == ["unknown"]
    [(_, counted)] = [row for row in shop.events("event", "detail") if row[0] == "limit"]
    assert '"oom_kills": 1' in counted
    assert '"met_limit": false' in counted


def test_a_stop_that_was_asked_for_is_ours_and_final(make_arm: MakeArm) -> None:
    """No restart follows, and a second stop does nothing."""
    shop = make_arm(restart_delay_s=1)
    shop.arm.start()
    shop.until(1.0)
    shop.stop()
    shop.stop()
    shop.until(5.0)
    assert [by for event, by in shop.events("event", "by") if event == "exit"] == ["soak"]
    assert shop.machine.stopped == ["shop"]


def test_a_stop_cancels_a_restart_that_is_due(make_arm: MakeArm) -> None:
    """A dead arm stays dead once the run ends."""
    shop = make_arm(restart_delay_s=3)
    shop.arm.start()
    shop.until(1.0)
    shop.machine.child("shop").end(1)
    shop.until(1.5)
    shop.stop()
    shop.until(9.0)
    assert len(shop.machine.children) == 1


def test_an_arm_that_never_answers_is_stopped_and_stays_dead(make_arm: MakeArm) -> None:
    """The reason says what was waited for, and for how long."""
    shop = make_arm()
    shop.machine.ready_after_s["shop"] = 99.0
    shop.arm.start()
    shop.until(32.0)
    assert (
        shop.arm.not_restarted
        == "http://127.0.0.1:1/healthz did not answer with a status below 400 within 30 s"
    )
    assert shop.machine.running() == []


MISSING = "shop: cwd /srv/shop is no directory; create it, or name another."


def refuse(child: ScriptedChild) -> None:
    child.end(0)  # there is none
    raise UsageError(MISSING)


def test_a_restart_that_cannot_be_made_leaves_the_arm_dead(make_arm: MakeArm) -> None:
    """As when its program or directory is away at that moment, by a deployment: the run goes on to its report."""
    shop = make_arm(memory="64 MiB", restart_delay_s=1)
    shop.arm.start()
    shop.until(1.0)
    shop.machine.on_spawn = refuse
    shop.machine.child("shop").end(1)
    shop.until(9.0)
    assert shop.arm.not_restarted == MISSING
    assert shop.events("event", "life")[-1] == ("not_restarted", "2")
    assert (shop.arm.starts, len(shop.machine.children)) == (1, 2)
    assert [limit.is_closed for limit in shop.machine.mechanism.limits] == [True, True]


def test_a_first_start_that_cannot_be_made_is_usage(make_arm: MakeArm) -> None:
    """The profile is at fault: nothing was recorded of which a report could be made."""
    shop = make_arm()
    shop.machine.on_spawn = refuse
    with pytest.raises(UsageError, match=r"shop: cwd /srv/shop is no directory"):
        shop.arm.start()


STOLEN = "shop: port 1 is served by pid 7 (docker-proxy), which is no process of its command."


def test_a_command_in_whose_place_another_process_serves_is_refused(make_arm: MakeArm) -> None:
    """Else that one would be loaded, and the command judged."""
    shop = make_arm()
    shop.arm.start()
    shop.machine.child("shop").other = STOLEN
    with pytest.raises(UsageError, match="served by pid 7"):
        shop.until(1.0)
    assert not shop.arm.up


def test_a_restart_in_whose_place_another_process_serves_stays_dead(make_arm: MakeArm) -> None:
    """The run goes on without it, and the reason is kept."""
    shop = make_arm(restart_delay_s=1)
    shop.arm.start()
    shop.until(1.0)
    shop.machine.on_spawn = lambda child: setattr(child, "other", STOLEN)
    shop.machine.child("shop").end(1)
    shop.until(4.0)
    assert shop.arm.not_restarted == STOLEN
    assert ("not_restarted", STOLEN, "2") in shop.events("event", "detail", "life")
    assert shop.machine.running() == []


def test_whether_a_command_serves_that_could_not_be_read_is_in_the_event(make_arm: MakeArm) -> None:
    """It is soaked all the same."""
    shop = make_arm()
    shop.machine.on_spawn = lambda child: setattr(child, "_doubt", "whether it listens could not be read")
    shop.arm.start()
    shop.until(1.0)
    [ready] = [detail for event, detail in shop.events("event", "detail") if event == "ready"]
    assert ready == "after 0.3 s; whether it listens could not be read"


class Answering(Target):
    """A process with a probe that answers; one op may fail."""

    asked: list[str] = []  # noqa: RUF012 - shared by the copies of one test
    fails = ""

    @property
    def has_probe(self) -> bool:
        return True

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:  # noqa: ARG002 - as Target
        self.asked.append(op)
        if op == self.fails:
            raise ProbeError(f"probe: {op}: gone")
        return {}


def lead_down(shop: ArmOnPaper, monkeypatch: pytest.MonkeyPatch, *, fails: str = "") -> list[str]:
    """Return the rungs that a probed process walks."""
    shop.arm.start()
    shop.until(1.0)
    [main] = shop.arm.sampler.targets
    monkeypatch.setattr(Answering, "asked", [])
    monkeypatch.setattr(Answering, "fails", fails)
    shop.arm.sampler.targets = (Answering(main.arm, main.pid, main.life, main.limit, main.probe),)
    rows = [{"pid": main.pid, "probe_ms": 1.0}]
    monkeypatch.setattr(shop.arm.sampler, "tick", lambda _rung, **_: rows)
    return list(shop.arm.quiesce())


def test_the_ladder_collects_and_trims_between_its_rungs(
    make_arm: MakeArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Freed pages have half a second to leave the resident set."""
    shop = make_arm()
    assert lead_down(shop, monkeypatch) == list(RUNGS)
    assert Answering.asked == ["collect", "trim"]
    assert shop.machine.now_s == pytest.approx(1.0 + 2 * 0.5, abs=0.15)


def test_a_probe_that_fails_leaves_the_arm_at_the_rung_it_reached(
    make_arm: MakeArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that failed is a counted gap."""
    shop = make_arm()
    assert lead_down(shop, monkeypatch, fails="trim") == list(RUNGS[:2])
    assert shop.arm.sampler.gaps.total == {"trim": 1}


def test_an_arm_that_is_down_has_no_ladder(make_arm: MakeArm) -> None:
    """Nothing is collected in a process that is dead."""
    assert list(make_arm().arm.quiesce()) == []
