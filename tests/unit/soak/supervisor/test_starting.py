"""Lives of an arm that is a container, by scripted clients and engines that know no container."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from soak.config.profile import LimitSettings, SamplingSettings
from soak.containers.engine import Image
from soak.containers.limit import ContainerLimit
from soak.containers.spec import ContainerSpec
from soak.errors import UsageError
from soak.limit.base import LifeLimit, Unlimited
from soak.plan.arm_plan import ArmPlan
from soak.process.child import Running
from soak.process.spec import ProcessSpec
from soak.status.terminal import Progress
from soak.supervisor import arm as arm_module
from soak.supervisor.arm import ArmRun
from soak.supervisor.ending import StopRequest
from soak.supervisor.session import Session
from soak.supervisor.starting import starter, why_no_probe
from tests.support.scripted_machine import NoGuard, ScriptedChild, ScriptedMachine

IMAGE = Image("no-such-engine", "shop:2.1", f"sha256:{'ab' * 32}", (8000,))


class ScriptedContainer(ScriptedChild):
    """A container whose process is known half a second after its start, and which is gone when the script has it so."""

    known_after_s = 0.5
    gone = True
    left = False

    @property
    def sampled_pid(self) -> int | None:
        known = self._machine.now_s >= self._ready_at_s - 0.3 + self.known_after_s
        return self.pid + 1_000_000 if known else None

    @property
    def is_gone(self) -> bool:
        return self.gone

    def leave(self) -> int:
        self.left = True
        return super().leave()


class WrongLimit(Unlimited):
    """The limit of a container which the engine did not set."""

    def watch(self, pid: int) -> None:
        raise UsageError(f"arms.shop.image: podman set no memory limit of pid {pid}.")


class ShopOnPaper:
    """An arm that is a container, of a scripted machine; looked after every tenth of a second."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = ScriptedMachine()
        self.directory = directory
        self.session = Session(
            directory, {}, NoGuard(), Progress(Console(quiet=True)), self.machine.clock, self.machine.machine,
            StopRequest(),
        )  # fmt: skip
        self.container = ContainerSpec(
            IMAGE, "shop", "run", "x", directory / "shop.env", 8000, ("127.0.0.1", 1)
        )
        spec = ProcessSpec("shop", self.container.argv(1), directory, url="http://127.0.0.1:1", ready="/")
        self.plan = ArmPlan("shop", "", spec, container=self.container)
        self.lives: list[ScriptedContainer] = []
        self.limits: Callable[[], LifeLimit] = Unlimited
        monkeypatch.setattr(arm_module, "starter", lambda *_: self.start_life)
        sampler = self.session.add_sampler("shop", SamplingSettings())
        limit = LimitSettings(memory=1 << 26, restart_delay_s=2)
        self.arm = ArmRun(self.plan, limit, self.machine.mechanism, self.session, sampler, directory)

    def start_life(self, _number: int) -> tuple[Running, LifeLimit]:
        child = ScriptedContainer(
            self.machine, self.plan.process, self.session.logs / "shop.log", 100 + len(self.lives)
        )
        self.lives.append(child)
        return child, self.limits()

    def until(self, t_s: float) -> None:
        while self.machine.now_s < t_s:
            self.arm.poll()
            self.machine.sleep(0.1)

    def events(self, *columns: str) -> list[tuple[str, ...]]:
        with (self.directory / "events.csv").open() as file:
            return [tuple(row[name] for name in columns) for row in csv.DictReader(file)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopOnPaper]:
    one = ShopOnPaper(tmp_path, monkeypatch)
    yield one
    if (child := one.arm.begin_stop()) is not None:
        one.session.ending.stop([child])
    one.arm.finish_stop()
    one.session.close()


def test_a_container_is_sampled_by_the_process_that_becomes_known(shop: ShopOnPaper) -> None:
    """It is ready no sooner, though it answers: nothing of it could be read."""
    shop.arm.start()
    shop.until(0.45)
    assert not shop.arm.up
    shop.until(1.0)
    assert [target.pid for target in shop.arm.sampler.targets] == [1_000_100]
    assert shop.events("event", "pid")[:2] == [("start", ""), ("ready", "1000100")]


def test_the_next_life_waits_until_the_last_container_is_gone(shop: ShopOnPaper) -> None:
    """Its name and its port are taken until then; it is left for good before."""
    shop.arm.start()
    shop.until(1.0)
    shop.lives[0].gone = False
    shop.lives[0].end(137)
    shop.until(6.0)
    assert [life.left for life in shop.lives] == [False]
    shop.lives[0].gone = True
    shop.until(6.2)
    assert [life.left for life in shop.lives] == [True, False]


def test_a_container_that_ends_before_its_process_is_known_has_ended_before_it_was_ready(
    shop: ShopOnPaper,
) -> None:
    """With its exit code; and what to fix is named by the keys of an image."""
    shop.arm.start()
    shop.lives[0].end(125)
    shop.until(0.2)
    assert shop.arm.not_restarted == "it ended before it was ready (exit code 125)"
    with pytest.raises(
        UsageError, match=r"Fix arms\.shop\.image, \.args, \.options, \.ready or limit\.memory in the profile"
    ):
        shop.arm.check_started()


def test_a_limit_that_is_not_set_ends_the_run_before_it_begins(shop: ShopOnPaper) -> None:
    """Of a later life, which no setting explains, the arm stays dead, and the run goes on."""
    shop.arm.start()
    shop.until(1.0)
    shop.limits = WrongLimit
    shop.lives[0].end(137)
    shop.until(5.0)
    assert shop.arm.not_restarted == "arms.shop.image: podman set no memory limit of pid 1000101."
    assert "shop" in shop.machine.stopped


def test_a_limit_that_was_never_set_is_usage(shop: ShopOnPaper) -> None:
    shop.limits = WrongLimit
    shop.arm.start()
    with pytest.raises(UsageError, match="podman set no memory limit of pid 1000100"):
        shop.until(1.0)


def test_why_a_container_has_no_probe_is_recorded_as_it_is_ready(
    shop: ShopOnPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point that sets PYTHONPATH loses it; the census goes on."""
    monkeypatch.setattr("soak.supervisor.starting.environment_value", lambda _pid, _name: "/srv/lib")
    shop.arm.start()
    shop.until(1.0)
    [detail] = [detail for event, detail in shop.events("event", "detail") if event == "ready"]
    assert "no probe: the image's entry point sets PYTHONPATH without /soakproof/probe" in detail


def test_another_reason_for_no_probe_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a Python that is started with -I, or none at all."""
    for path in ("/soakproof/probe:/srv", None):
        monkeypatch.setattr("soak.supervisor.starting.environment_value", lambda _pid, _name, path=path: path)
        assert why_no_probe(os.getpid(), "no socket") == "no socket"


def test_each_life_is_a_container_of_its_own_name(shop: ShopOnPaper) -> None:
    """With its environment in a file that only we can read, and a limit that is read back."""
    plan = ArmPlan("shop", "", shop.plan.process, container=ContainerSpec(
        IMAGE, "shop", "run", "x", shop.directory / "shop.env", 8000, ("127.0.0.1", 1), limit_bytes=1 << 26,
        env={"TOKEN": "hush"})
    )  # fmt: skip
    start = starter(plan, 1 << 26, shop.machine.mechanism, shop.session)
    for life in (1, 2):
        running, limit = start(life)
        assert isinstance(limit, ContainerLimit)
        assert running.spec.container == ("no-such-engine", f"soakproof-run-x-shop-{life}")
        assert running.spec.cwd == shop.directory  # the private one: podman leaves a file there
        assert running.spec.argv == plan.container.argv(life)  # type: ignore[union-attr]
        shop.machine.child("shop").end(0)
        assert running.leave() == 0
    assert shop.machine.mechanism.limits == []
    assert "TOKEN=hush\n" in (shop.directory / "shop.env").read_text()
    assert not any("hush" in word for word in shop.machine.child("shop").spec.argv)
