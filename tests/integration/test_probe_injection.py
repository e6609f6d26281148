"""The probe in real processes, under every Python there is: what it must see there, and what it must leave alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.pythons import find_interpreter

pytestmark = pytest.mark.integration

PROBE = Path(__file__).parents[2] / "soak" / "probe"
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
PATIENCE_S = 30


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """A Python of each version; skips those that are not on this machine."""
    found = find_interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} here")
    return found


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A private directory whose path is short enough for a Unix socket."""
    path = Path(tempfile.mkdtemp(prefix="soak-"))
    yield path
    shutil.rmtree(path)


class Target:
    """A script that runs with the probe. It says a line when it is there, and ends when its input does."""

    def __init__(
        self, python: str, script: str, paths: Sequence[Path], flags: Sequence[str], sockets: Path
    ) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "SOAK_PROBE_DIR": str(sockets),
        }
        self.sockets = sockets
        self.process = subprocess.Popen(
            [python, *flags, "-c", script],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Wait for the next line the target prints; it fails with the target's errors where that has ended."""
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            pytest.fail(f"the target ended: {self.end()}")
        return line.strip()

    def say(self, line: str) -> None:
        """Give the target a line of input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """End the input; return the exit code and what is left of the target's output and errors."""
        output, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output, errors


Start = Callable[..., Target]


@pytest.fixture
def start(sockets: Path) -> Iterator[Start]:
    """Return a function that starts a script under the probe; what still runs at the end is killed."""
    targets: list[Target] = []

    def run(
        python: str,
        script: str,
        paths: Sequence[Path] = (PROBE,),
        flags: Sequence[str] = (),
        into: Path = sockets,
    ) -> Target:
        targets.append(Target(python, script, paths, flags, into))
        return targets[-1]

    yield run
    for target in targets:
        if target.process.poll() is None:
            target.process.kill()
        target.process.communicate()


def test_a_target_starts_though_nobody_can_be_told_that_it_is_not_probed(tmp_path: Path) -> None:
    """The directory of the sockets is gone, and so is what reads standard error, or the disk behind it is full."""
    environment = {"PYTHONPATH": str(PROBE), "SOAK_PROBE_DIR": str(tmp_path / "gone")}
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", "print('ran')"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=PATIENCE_S,
            check=True,
        )
    assert ran.stdout == b"ran\n"


@contextmanager
def connect(target: Target, pid: int | None = None) -> Iterator[socket.socket]:
    """Connect to the probe of the target, or of its child ``pid``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(target.sockets / f"{pid or target.process.pid}.sock"))
        yield client


def ask(target: Target, *requests: dict[str, Any], pid: int | None = None) -> list[dict[str, Any]]:
    """Return the answers to the requests, put over one connection."""
    with connect(target, pid) as client, client.makefile("rw") as lines:
        answers = []
        for request in requests:
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            answers.append(json.loads(lines.readline()))
        return answers


STRICT = ("-X", "dev", "-W", "error")
SAMPLE = {"op": "sample"}


def counted_tasks(target: Target) -> tuple[int | None, int | None]:
    """Return how many tasks are alive and finished; a count that took long is repeated late, and is a gap till then."""
    ends_s = time.monotonic() + PATIENCE_S
    while True:
        (sample,) = ask(target, SAMPLE)
        if sample["tasks_alive"] is not None or time.monotonic() > ends_s:
            return sample["tasks_alive"], sample["tasks_finished"]
        time.sleep(0.05)


FAKE_AIOHTTP = """
class ClientSession:
    def __init__(self):
        self.closed = False
"""

PLANTED = """
import asyncio, sys
import aiohttp.client

async def nothing():
    pass

async def main():
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60  # -X dev reports what a busy machine delays
    kept = [asyncio.create_task(nothing()) for _ in range(20)]
    pending = [asyncio.create_task(asyncio.Event().wait()) for _ in range(7)]
    sessions = [aiohttp.client.ClientSession() for _ in range(5)]
    sessions[0].closed = True
    aiohttp.client.ClientSession()
    sys.modules["soak_probe"].gauge("cache_entries", lambda: 123)
    await asyncio.gather(*kept)
    ended = asyncio.Event()

    def on_input():
        sys.stdin.readline()  # "block": the loop stands still until the next line, which ends the target
        print("blocked", flush=True)
        sys.stdin.readline()
        ended.set()

    loop.add_reader(sys.stdin, on_input)
    print(*sys.version_info[:2], flush=True)
    await ended.wait()
    loop.remove_reader(sys.stdin)
    for task in pending:
        task.cancel()

asyncio.run(main())
"""


def test_planted_truth_is_seen(python: str, start: Start, tmp_path: Path) -> None:
    """20 finished tasks kept and 8 pending, 5 sessions of which 4 are open, a gauge, and a loop that stands still."""
    (tmp_path / "aiohttp").mkdir()
    (tmp_path / "aiohttp" / "__init__.py").touch()
    (tmp_path / "aiohttp" / "client.py").write_text(FAKE_AIOHTTP)
    target = start(python, PLANTED, (PROBE, tmp_path), STRICT)
    version = tuple(map(int, target.line().split()))
    exact, free = ask(target, {"op": "sample", "exact": True}, SAMPLE)
    target.say("block")
    assert target.line() == "blocked"
    blocked = [answer["loop_lag_ms"] for answer in ask(target, SAMPLE, SAMPLE, SAMPLE)]
    code, _, errors = target.end()

    assert (exact["tasks_alive"], exact["tasks_finished"]) == (28, 20)
    lists_finished = version < (3, 14)
    assert (free["tasks_alive"], free["tasks_finished"]) == ((28, 20) if lists_finished else (8, None))
    assert (exact["sessions_alive"], exact["sessions_open"]) == (5, 4)
    assert exact["gauges"] == {"cache_entries": 123}
    assert exact["pymalloc_arena_bytes"] > exact["pymalloc_free_bytes"] > 0
    assert exact["live_blocks"] > 10_000
    assert free["ok"]
    assert blocked[1] < blocked[2]
    assert (code, errors) == (0, "")
    assert list(target.sockets.iterdir()) == []


UNPREPARED = """
import asyncio, sys

async def main():
    pending = [asyncio.create_task(asyncio.Event().wait()) for _ in range(7)]
    print("ready", flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, sys.stdin.readline)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("python", ["3.14", "3.15"], indirect=True)
def test_remote_execution_and_the_probe_go_together(
    python: str, start: Start, sockets: Path, tmp_path: Path
) -> None:
    """A probe that PEP 768 puts into a running loop counts its tasks at once, and the target runs other scripts yet."""
    target = start(python, UNPREPARED, paths=())
    assert target.line() == "ready"
    starts = f"import sys; sys.path.insert(0, {str(PROBE)!r}); import soak_probe; soak_probe.start({str(sockets)!r})"
    for number, script in enumerate([starts, "pass", "print('visited', flush=True)"]):
        file = tmp_path / f"{number}.py"
        file.write_text(f"{script}; print('done {number}', flush=True)")
        request = f"import sys; sys.remote_exec({target.process.pid}, {str(file)!r})"
        subprocess.run([python, "-c", request], check=True, timeout=PATIENCE_S)
        target.say("an event, or the loop would sleep")
        lines = iter(target.line, f"done {number}")
        assert list(lines) == (["visited"] if number == 2 else [])
        assert counted_tasks(target) == (8, None)


WAITING = "import sys; print('ready', flush=True); sys.stdin.read()"


def test_a_target_without_asyncio_and_aiohttp(python: str, start: Start) -> None:
    """What a target does not use is not read, and the probe does not import it."""
    target = start(
        python, WAITING + "; print(sorted({'asyncio', 'aiohttp'} & set(sys.modules)))", flags=STRICT
    )
    assert target.line() == "ready"
    (sample,) = ask(target, SAMPLE)
    absent = ("tasks_alive", "tasks_finished", "sessions_alive", "sessions_open", "loop_lag_ms")
    assert {name: sample[name] for name in absent} == dict.fromkeys(absent)
    assert target.end() == (0, "[]\n", "")


FORKING = """
import os, subprocess, sys

def fork():
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        print(os.getpid(), flush=True)
        os.read(reading, 1)
        sys.exit(7)
    os.close(reading)
    sys.stdin.readline()
    os.close(writing)
    print(os.waitpid(pid, 0)[1] >> 8, flush=True)

sys.modules["soak_probe"].gauge("pid", os.getpid)
fork()
subprocess.run([sys.executable, "-c", "pass"], preexec_fn=lambda: None, check=True)
print("ready", flush=True)
sys.stdin.read()
os.execv(sys.executable, [sys.executable, "-c", "import sys; print('new image', flush=True); sys.stdin.read()"])
"""


RESTARTING = """
import _thread, os
held = _thread.allocate_lock()
held.acquire()
os.register_at_fork(after_in_parent=lambda: _thread.start_new_thread(held.acquire, ()))
os.fork()
os._exit(0)  # at an ordinary end the thread may find its lock gone, and crash
"""


def warns_of_threads_it_starts_itself(python: str) -> bool:
    """Return whether this Python has the bug gh-137109: it counts, as threads at a fork, those a hook starts after."""
    answer = subprocess.run(
        [python, "-W", "always", "-c", RESTARTING],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return "multi-threaded" in answer.stderr


def test_a_fork_happens_without_our_thread(python: str, start: Start) -> None:
    """Parent and child each answer on their own socket; no warning about threads, and nothing is left at the end."""
    flags = ["-W", "always"]  # not "error": that, Python swallows
    if warns_of_threads_it_starts_itself(python):
        flags += ["-W", "ignore:This process:DeprecationWarning"]
    target = start(python, FORKING, flags=flags)
    child = int(target.line())
    with connect(target) as kept, kept.makefile("rw") as lines:
        assert ask(target, SAMPLE, pid=child)[0]["gauges"] == {"pid": child}
        target.say("go on")
        assert target.line() == "7"
        assert target.line() == "ready"
        lines.write('{"op": "sample"}\n')
        lines.flush()
        assert json.loads(lines.readline())["gauges"] == {"pid": target.process.pid}
    code, output, errors = target.end()
    assert (code, output, errors) == (0, "new image\n", "")
    assert list(target.sockets.iterdir()) == []


FORKING_THREADS = """
import os, sys, threading

def fork():
    for _ in range(10):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)

threads = [threading.Thread(target=fork) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("ready", flush=True)
sys.stdin.read()
"""


def test_threads_may_fork(python: str, start: Start) -> None:
    """After forks from three threads at once the target answers as before."""
    target = start(
        python, FORKING_THREADS, flags=("-W", "ignore::DeprecationWarning")
    )  # of the target's own threads
    assert target.line() == "ready"
    assert ask(target, SAMPLE)[0]["ok"]
    assert target.end() == (0, "", "")


@pytest.mark.parametrize("flag", ["-S", "-I", "-E"])
def test_flags_that_skip_the_probe(python: str, start: Start, flag: str) -> None:
    """A target started with -S, -I or -E runs without the probe, and without harm."""
    target = start(python, WAITING, flags=(flag, *STRICT))
    assert target.line() == "ready"
    assert list(target.sockets.iterdir()) == []
    assert target.end() == (0, "", "")


WHO_IS_THERE = """
import sys
print(*(name in sys.modules and sys.modules[name].__file__ for name in ("sitecustomize", "usercustomize")))
print(sys.path)
"""


@pytest.mark.parametrize("site", [None, "", "raise ValueError('broken')\n", "import no_such_module\n"])
def test_customizations_run_as_without_us(
    python: str, start: Start, tmp_path: Path, site: str | None
) -> None:
    """The target's sitecustomize and usercustomize, its sys.path and the errors it is told are those without us."""
    (tmp_path / "usercustomize.py").touch()
    if site is not None:
        (tmp_path / "sitecustomize.py").write_text(site)
    probed, plain = (start(python, WHO_IS_THERE, paths).end() for paths in ((PROBE, tmp_path), (tmp_path,)))
    assert probed == plain
    assert (str(tmp_path / "sitecustomize.py") in probed[1]) is (site == "")


def test_a_directory_that_is_missing_costs_one_line(python: str, start: Start, tmp_path: Path) -> None:
    """Where the probe cannot start the target runs all the same, and standard error says why in one line."""
    target = start(python, "print('runs')", flags=STRICT, into=tmp_path / "missing")
    code, output, errors = target.end()
    reason = f"[Errno 2] No such file or directory: '{tmp_path / 'missing'}'"
    assert (code, output) == (0, "runs\n")
    assert errors == f"soak_probe: pid {target.process.pid} is not probed: {reason}\n"


def test_a_client_that_hangs_up_does_not_end_a_target_that_restored_sigpipe(
    python: str, start: Start
) -> None:
    """A target that dies of SIGPIPE by its own wish does not die of an answer that nobody waits for."""
    restored = "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); " + WAITING
    target = start(python, restored)
    assert target.line() == "ready"
    for _ in range(5):
        with connect(target) as client:
            client.sendall(b'{"op": "sample"}\n' * 100)
    assert ask(target, SAMPLE)[0]["ok"]
    assert target.end() == (0, "", "")


def test_sampling_leaves_nothing_behind(start: Start) -> None:
    """20,000 samples, which is five hours of them, leave the target's live blocks as they were."""
    target = start(sys.executable, WAITING)
    assert target.line() == "ready"
    with connect(target) as client, client.makefile("rw") as lines:

        def live_blocks_after(samples: int) -> int:
            for _ in range(samples):
                lines.write('{"op": "sample"}\n')
                lines.flush()
                answer = json.loads(lines.readline())
            return int(answer["live_blocks"])

        before = live_blocks_after(1_000)
        after = live_blocks_after(20_000)
    assert abs(after - before) < 100
    assert target.end() == (0, "", "")
