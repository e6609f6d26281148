"""Whoever of a run is killed: nothing of it lives on, and no directory of it stays. With real processes."""

from __future__ import annotations

import contextlib
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

from soak.process.child import Child, describe_exit
from soak.process.guard import _CLOSE_S, Guard
from soak.process.spec import ProcessSpec

pytestmark = pytest.mark.integration

WITHIN_S = 5.0

TARGET = """
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
def daemon(read, write):
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(write, b"%d" % os.getpid())
    os.execve("/bin/sleep", ["sleep", "300"], {})
read, write = os.pipe()
launcher = os.fork()
if launcher == 0:
    daemon(read, write)
os.waitpid(launcher, 0)
print(worker.pid, int(os.read(read, 20)), flush=True)
time.sleep(300)
"""
"""Forks a worker, and a daemon in a session of its own whose environment is empty."""

SUPERVISOR = """
import json, sys, time
from pathlib import Path
from soak.limit.choose import choose
from soak.process.guard import _CLOSE_S, Guard
from soak.process.child import Child
from soak.process.spec import ProcessSpec
place = Path(sys.argv[1])
guard = Guard()
guard.add_directory(place / "private")
mechanism = choose(guard, "left-behind").mechanism
procs = mechanism.life("app", 256 << 20).procs if sys.argv[3] == "limited" else None
if procs is not None:
    (procs.parent / "below").mkdir()  # as a target may that runs containers
child = Child(ProcessSpec("app", (sys.executable, "-S", "-c", sys.argv[2]), Path("/")), place / "log", guard, procs)
while not (line := (place / "log").read_text()).endswith("\\n"):
    time.sleep(0.01)
worker, daemon = line.split()
print(json.dumps({"guard": guard._process.pid, "keeper": child._process.pid, "app": child.pid,
                  "worker": int(worker), "daemon": int(daemon)}), flush=True)
print("" if procs is None else procs.parent, flush=True)
sys.stdin.readline()
child.stop()
guard.close()
"""


class Supervisor:
    """A supervisor with a guard and one child, by the process ids of all; ``limit`` is "limited" or "free"."""

    def __init__(self, place: Path, limit: str) -> None:
        self.private = place / "private"
        self.private.mkdir()
        (self.private / "1.sock").write_text("")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(place), TARGET, limit],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.pids: dict[str, int] = json.loads(self.process.stdout.readline())
        self.pids["supervisor"] = self.process.pid
        cgroup = self.process.stdout.readline().strip()
        self.directories = [self.private, *([Path(cgroup)] if cgroup else [])]

    def kill(self, *names: str) -> None:
        """Kill some of them at the same time."""
        for name in names:
            os.kill(self.pids[name], signal.SIGKILL)

    def left(self) -> list[str]:
        """Return who still runs and which directories are there, WITHIN_S from now at the latest."""
        until_s = time.monotonic() + WITHIN_S
        while left := [*self.running(), *(str(place) for place in self.directories if place.exists())]:
            if time.monotonic() > until_s:
                break
            time.sleep(0.02)
        return left

    def running(self) -> list[str]:
        """Return who runs."""
        self.process.poll()
        return [name for name, pid in self.pids.items() if runs(pid)]

    def close(self) -> None:
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def runs(pid: int) -> bool:
    """Whether a process runs: one that is dead and waits for init does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Supervisor]]:
    """A function that starts a supervisor whose arm is limited by a cgroup, or is not."""
    started: list[Supervisor] = []

    def start(limit: str) -> Supervisor:
        started.append(Supervisor(tmp_path, limit))
        return started[0]

    yield start
    for supervisor in started:
        supervisor.close()


@pytest.mark.parametrize("limit", ["free", "limited"])
@pytest.mark.parametrize(
    "killed", [("supervisor",), ("guard", "supervisor"), ("keeper", "supervisor")], ids=" and ".join
)
def test_a_kill_leaves_no_process_and_no_directory(
    start: Callable[[str], Supervisor], killed: tuple[str, ...], limit: str
) -> None:
    """Not even a daemon in a session of its own whose environment is empty, and no cgroup of the run or below it."""
    supervisor = start(limit)
    if killed[0] == "keeper" and len(supervisor.directories) == 1:
        supervisor.pids.pop("daemon")  # nobody is left whose child it is; in a cgroup the guard finds it
    supervisor.kill(*killed)
    assert supervisor.left() == []


def test_an_ordinary_stop_ends_the_daemons_of_an_arm(start: Callable[[str], Supervisor]) -> None:
    """Also when somebody has killed the guard before."""
    supervisor = start("free")
    supervisor.kill("guard")
    supervisor.process.communicate("stop\n", timeout=WITHIN_S)
    assert supervisor.running() == []


def test_the_death_of_an_arm_ends_its_daemons(tmp_path: Path) -> None:
    """The exit code is the arm's own, and a restart finds its port free."""
    guard = Guard()
    arm = ProcessSpec("app", (sys.executable, "-S", "-c", TARGET), Path("/"))
    child = Child(arm, tmp_path / "log", guard)
    while not (line := (tmp_path / "log").read_text()).endswith("\n"):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGSEGV)
    while (code := child.poll()) is None:
        time.sleep(0.01)
    assert describe_exit(code) == "killed by SIGSEGV"
    assert [pid for pid in map(int, line.split()) if runs(pid)] == []
    guard.close()


def test_a_stopped_arm_ends_by_sigterm(tmp_path: Path) -> None:
    """SIGSTOP does not cost the whole time that it has to stop: it goes on, and ends."""
    guard = Guard()
    code = "import signal; print('up', flush=True); signal.pause()"
    child = Child(ProcessSpec("app", (sys.executable, "-S", "-c", code), Path("/")), tmp_path / "log", guard)
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    assert child.stop() == -signal.SIGTERM
    assert time.monotonic() - began_s < child.spec.stop_timeout_s
    guard.close()


def test_a_stopped_guard_holds_nobody_up(tmp_path: Path) -> None:
    """It goes on when it is needed, and clears what is left."""
    guard = Guard()
    private = tmp_path / "private"
    private.mkdir()
    guard.add_directory(private)
    os.kill(guard._process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    guard.close()
    assert time.monotonic() - began_s < _CLOSE_S
    assert not private.exists()
