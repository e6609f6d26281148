"""Lives of an arm that is an image, by real engines: sampled, probed, limited, killed, and nothing left behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from soak.containers.cgroup import find_cgroup
from soak.containers.child import ContainerChild
from soak.containers.engine import Engine, Image
from soak.containers.limit import ContainerLimit
from soak.containers.spec import SOCKETS_INSIDE, ContainerSpec
from soak.limit.base import Counters, who_ended
from soak.process.child import Child, end_together
from soak.process.guard import Guard
from soak.process.procfs import descendants
from soak.process.spec import ProcessSpec
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.starting import why_no_probe
from tests.support.containers import require_engine
from tests.support.images import build_app_image
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

IMAGE = f"soakproof-test-arm-{os.getpid()}:1"
"""Of this process: others may test at the same time."""
LIMIT = 64 << 20
READY_S = 60.0
ASK_S = 5.0


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine that has the image of a small service."""
    engine = require_engine(request.param)
    build_app_image(engine, IMAGE, Path(__file__).parent / "container_app", expose=8000)
    yield engine
    engine.call(["rmi", "--force", IMAGE])


class Life:
    """One container of that image and its guard, in the network of the host: not every machine has another."""

    def __init__(
        self,
        engine: Engine,
        place: Path,
        env: dict[str, str],
        options: tuple[str, ...],
        args: tuple[str, ...],
    ) -> None:
        self.image = engine.image(IMAGE)
        assert isinstance(self.image, Image)
        port = free_port()
        self.guard = Guard()
        self.spec = ContainerSpec(
            self.image, "new", "test", f"{os.getpid()}-{place.name}", place / "new.env", port, None, LIMIT,
            {"PORT": str(port), **env}, options, args,
        )  # fmt: skip
        self.spec.write_env_file()
        process = ProcessSpec(
            "new", self.spec.argv(1), place, url=f"http://127.0.0.1:{port}", ready="port", stop_timeout_s=5,
            container=(engine.name, self.spec.name(1)),
        )  # fmt: skip
        self.child = ContainerChild(
            Child(process, place / "log", self.guard), self.spec, 1, engine, self.guard
        )
        self.limit = ContainerLimit(engine.name, "arms.new.image", LIMIT)
        self.pid = 0

    def start(self) -> int:
        """Wait until it is ready; return the pid of its first process."""
        self.until(lambda: self.child.sampled_pid)
        self.pid = self.child.sampled_pid or 0
        self.limit.watch(self.pid)
        self.until(self.child.is_ready)
        return self.pid

    def until(self, happened: Callable[[], object]) -> None:
        by_s = time.monotonic() + READY_S
        while not happened():
            assert self.child.poll() is None, self.child.log.read_text()
            assert time.monotonic() < by_s, self.child.log.read_text()
            time.sleep(0.02)

    def close(self) -> None:
        end_together([self.child])
        self.child.leave()
        self.limit.close()
        self.guard.close()
        self.guard._process.wait(READY_S)  # on a busy machine it goes on after that


MakeLife = Callable[..., Life]


@pytest.fixture
def life(engine: Engine, tmp_path: Path) -> Iterator[MakeLife]:
    """A function that starts a container; nothing of it is there afterwards."""
    made: list[Life] = []

    def make(*options: str, args: tuple[str, ...] = (), **env: str) -> Life:
        made.append(Life(engine, tmp_path, env, options, args))
        return made[-1]

    yield make
    for one in made:
        one.close()
        by_s = time.monotonic() + READY_S
        while engine.container(one.spec.name(1)) is not None:
            assert time.monotonic() < by_s
        assert not psutil.pid_exists(one.pid)


AS_THEY_SHIP = {
    "as it is": (),
    "another user": ("--user", "1000"),
    "hardened": ("--user", "4242", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    "the host's pids": ("--pid", "host"),
    "an init": ("--init",),
}


@pytest.mark.parametrize("how", AS_THEY_SHIP)
def test_a_container_is_read_from_outside_and_inside(life: MakeLife, how: str) -> None:
    """Its first process is known on this machine, charged to the limit that was asked for, and answers by its probe."""
    one = life(*AS_THEY_SHIP[how])
    try:
        pid = one.start()
    except AssertionError as error:
        if how == "an init" and "init" in str(error):  # the engine's own program is not installed
            pytest.skip(str(error).splitlines()[0])
        raise
    served = next(each for each in (pid, *descendants(pid)) if "python" in psutil.Process(each).name())
    usage = one.limit.usage()
    assert usage.problem is None
    assert usage.charged_bytes is not None
    assert 5 << 20 < usage.charged_bytes < LIMIT
    probe = ProbeClient(Path(SOCKETS_INSIDE), served)
    try:
        assert probe.missing == ""
        assert probe.ask("sample", ASK_S)["live_blocks"] > 10_000
    finally:
        probe.close()


def test_a_container_in_a_user_namespace_is_probed(life: MakeLife, engine: Engine) -> None:
    """Its root is nobody's here: the probe is asked as the user that it has on this machine."""
    if engine.name != "podman":
        pytest.skip("of docker this is a setting of the daemon")
    one = life("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
    try:
        pid = one.start()
    except AssertionError as error:
        pytest.skip(f"this kernel or engine makes no user namespace here: {str(error).splitlines()[0]}")
    assert psutil.Process(pid).uids().real == 100_000
    probe = ProbeClient(Path(SOCKETS_INSIDE), pid)
    try:
        assert probe.ask("sample", ASK_S)["live_blocks"] > 10_000
    finally:
        probe.close()


def test_a_kill_by_the_kernel_is_counted(life: MakeLife) -> None:
    """With its peak to the byte, whoever removes the cgroup first; the other end of a life is no kill."""
    one = life(KEEP_BYTES="8000000")
    one.start()
    with contextlib.suppress(OSError, http.client.HTTPException):  # until it is killed
        for _ in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", one.spec.listens, timeout=READY_S)
            connection.request("POST", "/")
            connection.getresponse().read()
            connection.close()
    by_s = time.monotonic() + READY_S
    while (code := one.child.poll()) is None:
        assert time.monotonic() < by_s
        time.sleep(0.02)
    counters = one.limit.counters()
    assert counters == Counters(peak_bytes=LIMIT, oom_kills=1, met_limit=True, ooms=counters.ooms)
    assert counters.ooms in (None, 1)  # of version 1 often only the peak tells
    assert who_ended(code, counters, asked=False) == "kernel"


def test_a_stop_is_no_kill(life: MakeLife) -> None:
    """The app ends by SIGTERM, which the engine's client passes on; its own output is in the log."""
    one = life()
    one.start()
    end_together([one.child])
    assert one.child.leave() == 0
    assert one.child.is_gone
    assert one.limit.counters().oom_kills == 0
    assert f"serves at {one.spec.listens}" in one.child.log.read_text()


ENTRY_POINT = (
    "import os, sys; os.environ['PYTHONPATH'] = '/srv'; "
    "os.execv(sys.executable, [sys.executable, '-m', 'container_app'])"
)


def test_an_entry_point_that_sets_pythonpath_loses_the_probe(life: MakeLife) -> None:
    """The reason is known, and the arm runs on."""
    one = life("--entrypoint", "python", args=("-c", ENTRY_POINT))
    pid = one.start()
    missing = ProbeClient(Path(SOCKETS_INSIDE), pid).missing
    assert why_no_probe(pid, missing).startswith(
        "the image's entry point sets PYTHONPATH without /soakproof/probe"
    )


def test_an_image_that_ends_before_it_is_ready_prints_why(life: MakeLife) -> None:
    one = life(FAIL="no database")
    by_s = time.monotonic() + READY_S
    while (code := one.child.poll()) is None:
        assert time.monotonic() < by_s
        time.sleep(0.02)
    assert code == 1
    assert "cannot start: no database" in one.child.log.read_text()


def test_what_the_engine_refuses_is_its_own_exit_code(life: MakeLife, engine: Engine) -> None:
    """With its words in the log."""
    one = life("--volume", "relative:path:no-such-option")
    by_s = time.monotonic() + READY_S
    while (code := one.child.poll()) is None:
        assert time.monotonic() < by_s
        time.sleep(0.02)
    assert one.child.describe_exit(code) == f"{engine.name} could not start the container, exit code 125"
    assert one.child.log.read_text()


SUPERVISOR = """
import json, sys, time
from pathlib import Path
from soak.containers.child import ContainerChild
from soak.containers.engine import Engine
from soak.containers.spec import ContainerSpec
from soak.process.child import Child
from soak.process.guard import Guard
from soak.process.spec import ProcessSpec
engine, image, place, port, moment = sys.argv[1:]
place = Path(place)
engine = Engine(engine, engine)
guard = Guard()
guard.add_directory(place / "private")
spec = ContainerSpec(engine.image(image), "new", "killed", place.name, place / "private" / "e", int(port), None,
                     64 << 20, {"PORT": port})
spec.write_env_file()
process = ProcessSpec("new", spec.argv(1), place, ready="port", container=(engine.name, spec.name(1)))
child = ContainerChild(Child(process, place / "log", guard), spec, 1, engine, guard)
while moment != "at once" and not child.is_ready():
    time.sleep(0.01)
print(json.dumps({"name": spec.name(1), "pid": child.sampled_pid, "guard": guard._process.pid}), flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize(("moment", "guard"), [("ready", True), ("at once", True), ("ready", False)])
def test_nothing_is_left_of_a_run_that_was_killed(
    engine: Engine, tmp_path: Path, moment: str, guard: bool
) -> None:
    """No container, process, cgroup or directory: also where the engine was still creating it, or the guard died.

    Without the guard the keeper of the engine's client clears up.
    """
    (tmp_path / "private").mkdir()
    words = [engine.name, IMAGE, str(tmp_path), str(free_port()), moment]
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, *words], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        known = json.loads(supervisor.stdout.readline())
        cgroup = find_cgroup(known["pid"]).path if known["pid"] else None
        if not guard:
            psutil.Process(known["guard"]).kill()
        supervisor.send_signal(signal.SIGKILL)
    by_s = time.monotonic() + READY_S
    gone = 0
    while gone < 5:  # in a row: the engine may still be creating it
        left = (
            engine.container(known["name"]) is not None
            or (tmp_path / "private").exists()
            or (cgroup is not None and cgroup.exists())
            or (known["pid"] is not None and psutil.pid_exists(known["pid"]))
        )
        gone = 0 if left else gone + 1
        assert time.monotonic() < by_s, known
        time.sleep(0.1)
