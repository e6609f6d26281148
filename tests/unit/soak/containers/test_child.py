"""A container of a fake engine, whose processes are real."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak.containers import child as module
from soak.containers.child import ContainerChild
from soak.containers.engine import Container, Engine, Image
from soak.containers.spec import ContainerSpec
from soak.errors import UsageError
from soak.process.child import Child, end_together
from soak.process.guard import Guard
from soak.process.procfs import started_ticks
from soak.process.spec import ProcessSpec
from tests.support.fake_engine import IMAGE_ID, running_engine, words_of

SLEEP = (sys.executable, "-IS", "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-IS",
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
)


class Shop:
    """A container of a fake engine and its guard."""

    def __init__(self, place: Path, command: tuple[str, ...], ready: str = "port") -> None:
        self.containers = running_engine(place, command)
        self.guard = Guard()
        image = Image("podman", "shop:2.1", f"sha256:{IMAGE_ID}", (8000,))
        self.container = ContainerSpec(
            image, "new", "run", "x", place / "new.env", 8000, ("127.0.0.1", 41_000)
        )
        self.name = self.container.name(1)
        spec = ProcessSpec(
            "new", self.container.argv(1), place, url="http://127.0.0.1:41000", ready=ready, stop_timeout_s=0.3,
            container=("podman", self.name),
        )  # fmt: skip
        client = Child(spec, place / "log", self.guard)
        self.child = ContainerChild(client, self.container, 1, Engine("podman", "podman"), self.guard)

    def until(self, happened: Callable[[], object], within_s: float = 8.0) -> None:
        by_s = time.monotonic() + within_s
        while not happened():
            assert time.monotonic() < by_s, self.child.log.read_text()
            time.sleep(0.01)

    def pid(self) -> int:
        """Return the pid of the container, once it is known."""
        self.until(lambda: self.child.sampled_pid)
        assert self.child.sampled_pid is not None
        return self.child.sampled_pid

    @property
    def is_there(self) -> bool:
        return (self.containers / self.name).exists()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    """A function that starts a container of a command."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "is_of_container", lambda _pid, _id: True)
    made: list[Shop] = []

    def make(*how: object) -> Shop:
        made.append(Shop(tmp_path, *how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        end_together([one.child], lambda _child, _waited_s: True)
        one.child.leave()
        one.guard.close()
        assert not one.is_there


def test_the_process_that_is_sampled_is_the_containers(shop: Callable[..., Shop]) -> None:
    """Not the client's: that one waits. What the container prints is in the log."""
    one = shop(SLEEP)
    pid = one.pid()
    assert (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")[0].decode() == SLEEP[0]
    one.until(lambda: "up" in one.child.log.read_text())
    assert one.child.poll() is None
    assert one.child.detail == f"container {one.name} of podman, image shop:2.1, sha256:{IMAGE_ID}"


def test_a_container_is_asked_to_end_and_leaves_nothing(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client passes the signal on; then the container is removed, and only then is all of it gone.

    Once it is left the guard need not remove it.
    """
    one, dropped = shop(SLEEP), list[tuple[str, str]]()
    monkeypatch.setattr(one.guard, "drop_container", lambda *container: dropped.append(container))
    pid = one.pid()
    one.child.terminate()
    one.until(lambda: one.child.poll() is not None)
    assert one.child.poll() == 128 + signal.SIGTERM
    one.until(lambda: one.child.is_gone)
    assert not one.is_there
    assert started_ticks(pid) is None
    assert not dropped
    one.child.leave()
    assert dropped == [("podman", one.name)]


def test_a_container_that_is_late_is_killed_by_its_engine(shop: Callable[..., Shop]) -> None:
    """To kill the client would leave the container alone."""
    one = shop(STUBBORN)
    pid = one.pid()
    end_together([one.child])
    assert one.child.leave() in (137, -9)
    assert started_ticks(pid) is None
    assert ["kill", "--signal", "KILL", one.name] in words_of(one.containers / "calls")
    assert one.child.is_gone


def test_what_outlives_its_client_is_removed(shop: Callable[..., Shop]) -> None:
    """Somebody may kill the client: the container is over for us, and must not go on unseen."""
    one = shop(SLEEP)
    pid = one.pid()
    os.kill(one.child._client.pid, signal.SIGKILL)
    one.until(lambda: one.child.poll() is not None)
    one.until(lambda: one.child.is_gone)
    assert started_ticks(pid) is None


def test_ready_by_port_means_that_something_in_it_listens(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A published port accepts long before; one that listens at the container's loopback alone is never reached."""
    one = shop(SLEEP)
    assert not one.child.is_ready()
    pid = one.pid()
    listening = {"outside": False, "at all": False}
    monkeypatch.setattr(
        module,
        "is_listening",
        lambda _pid, _port, *, from_outside=False: listening["outside" if from_outside else "at all"],
    )
    with socket.create_server(("127.0.0.1", 0)):
        assert not one.child.is_ready()
        assert one.child.what_failed() == "nothing listened at port 8000 of the container (arms.new.listens)"
        listening["at all"] = True
        assert not one.child.is_ready()
        found = one.child.what_failed()
        assert found == "nothing listened at 0.0.0.0:8000 of the container (only at 127.0.0.1:8000)"
        listening["outside"] = True
        assert one.child.is_ready()
    assert pid == one.child.sampled_pid


def test_an_engine_of_another_machine_is_refused(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pids are some processes here, or none: nothing of them would be the container's."""
    monkeypatch.setattr(module, "is_of_container", lambda _pid, _id: False)
    monkeypatch.setenv("CONTAINER_HOST", "ssh://far")
    one = shop(SLEEP)
    with pytest.raises(
        UsageError, match=r"arms.new.image: podman \(CONTAINER_HOST=ssh://far\) runs the container on another"
    ):
        one.until(lambda: one.child.sampled_pid)
    monkeypatch.setattr(one.child, "_failure", None)


def test_a_container_of_another_image_is_refused(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To an engine, a word too many in the options is the image: it would run another one than is reported."""
    found = Container("podman", "x", "0" * 64, "sha256:" + "1" * 64, os.getpid())
    monkeypatch.setattr(Engine, "container", lambda _engine, _name: found)
    one = shop(SLEEP)
    with pytest.raises(
        UsageError, match=r"arms.new.options: .* podman runs sha256:1{64} instead of shop:2.1"
    ):
        one.until(lambda: one.child.sampled_pid)
    monkeypatch.setattr(one.child, "_failure", None)


def test_the_engines_own_exit_code_is_named(shop: Callable[..., Shop]) -> None:
    one = shop((sys.executable, "-IS", "-c", "raise SystemExit(125)"))
    one.until(lambda: one.child.poll() is not None)
    assert one.child.describe_exit(125) == "podman could not start the container, exit code 125"
    assert one.child.describe_exit(1) == "exit code 1"
