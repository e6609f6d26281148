"""Children of a run: started, stopped and never left behind, with real processes."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from soak.errors import UsageError
from soak.process.child import Child, describe_exit, end_together
from soak.process.guard import Guard
from soak.process.listeners import Serving
from soak.process.log import last_words
from soak.process.spec import ProcessSpec

pytestmark = pytest.mark.integration


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


def spec(*argv: str, stop_timeout_s: float = 10.0, cwd: Path = Path("/")) -> ProcessSpec:
    return ProcessSpec("app", argv, cwd, stop_timeout_s=stop_timeout_s)


def python(code: str, **settings: float) -> ProcessSpec:
    return spec(sys.executable, "-S", "-u", "-c", code, **settings)  # type: ignore[arg-type]


def wait_for_line(log: Path, timeout_s: float = 20.0) -> str:
    """Wait until the child has printed a line; the log file is all there is to watch."""
    with subprocess.Popen(["tail", "-n", "+1", "-F", str(log)], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        ready, _, _ = select.select([tail.stdout], [], [], timeout_s)
        line = tail.stdout.readline() if ready else ""
        tail.kill()
    return line.strip()


def wait_exit(child: Child) -> None:
    """Wait for our own child and leave its exit code for ``poll``."""
    os.waitid(os.P_PID, child._process.pid, os.WEXITED | os.WNOWAIT)


def test_a_process_that_died_before_it_was_told_is_just_gone(guard: Guard, tmp_path: Path) -> None:
    """What it was told last is in no one's way when its end is noticed."""
    child = Child(python("pass"), tmp_path / "log", guard, stdin=True)
    wait_exit(child)
    child.send_line("start")
    assert child.poll() == 0
    child.send_line("stop")
    assert child.stop() == 0


def test_a_process_whose_input_was_closed_is_told_no_more(guard: Guard, tmp_path: Path) -> None:
    """What was said before arrives."""
    child = Child(python("import sys; print(sys.stdin.read())"), tmp_path / "log", guard, stdin=True)
    child.send_line("one")
    child.close_input()
    child.send_line("two")
    wait_exit(child)
    assert (tmp_path / "log").read_text().split() == ["one"]
    child.stop()


def test_a_child_that_listens_is_terminated(guard: Guard, tmp_path: Path) -> None:
    """SIGTERM is enough for a process that ends by it."""
    child = Child(python("print('up'); input_ = __import__('signal').pause()"), tmp_path / "log", guard)
    assert wait_for_line(tmp_path / "log") == "up"
    assert child.poll() is None
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed_at_the_deadline(guard: Guard, tmp_path: Path) -> None:
    """The ladder's second rung."""
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
    child = Child(python(code, stop_timeout_s=0.2), tmp_path / "log", guard)
    wait_for_line(tmp_path / "log")
    assert child.stop() == -signal.SIGKILL


def test_children_that_ignore_sigterm_are_waited_for_together(guard: Guard, tmp_path: Path) -> None:
    """Three of them cost the time of one."""
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
    logs = [tmp_path / name for name in ("one", "two", "three")]
    children = [Child(python(code, stop_timeout_s=1.0), log, guard) for log in logs]
    for log in logs:
        wait_for_line(log)
    began_s = time.monotonic()
    end_together(children)
    assert 1.0 <= time.monotonic() - began_s < 2.9
    assert [child.poll() for child in children] == [-signal.SIGKILL] * 3


def test_what_a_child_left_running_ends_with_it(guard: Guard, tmp_path: Path) -> None:
    """A worker that outlives its parent does not outlive the arm."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid)"
    child = Child(python(code), tmp_path / "log", guard)
    worker = int(wait_for_line(tmp_path / "log"))
    wait_exit(child)
    assert child.poll() == 0
    assert not psutil.pid_exists(worker)  # its keeper has waited for it


def test_a_command_that_does_not_exist_is_named(guard: Guard, tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="app: command 'no-such-thing' was not found"):
        Child(spec("no-such-thing"), tmp_path / "log", guard)


def test_a_command_that_may_not_be_executed_is_named(guard: Guard, tmp_path: Path) -> None:
    """It is there, so the fix is another one."""
    (tmp_path / "serve.sh").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match=r"app: command './serve\.sh' .*chmod \+x it"):
        Child(spec("./serve.sh", cwd=tmp_path), tmp_path / "log", guard)


def test_a_working_directory_that_does_not_exist_is_named(guard: Guard, tmp_path: Path) -> None:
    """The message names the key and the path, and nothing is started."""
    with pytest.raises(UsageError, match=r"app: cwd .*/nowhere is no directory"):
        Child(spec("true", cwd=tmp_path / "nowhere"), tmp_path / "log", guard)


def test_its_last_lines_explain_a_failure(guard: Guard, tmp_path: Path) -> None:
    """Both streams are in the log, and its end is what the error shows."""
    code = "import sys\nfor i in range(20): print('line', i)\nprint('oops', file=sys.stderr); sys.exit(3)"
    child = Child(python(code), tmp_path / "log", guard)
    wait_exit(child)
    assert child.poll() == 3
    assert last_words(tmp_path / "log", lines=2) == "  | line 19\n  | oops"
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-signal.SIGSEGV) == "killed by SIGSEGV"


def test_a_chatty_child_fills_no_disk(guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the cap the older part moves aside, and the child writes on at the new start of its file."""
    monkeypatch.setattr("soak.process.log.LOG_CAP_BYTES", 1000)
    log = tmp_path / "log"
    child = Child(python("print('x' * 2000)\ninput()\nprint('after')"), log, guard, stdin=True)
    wait_for_line(log)
    child.cap_log()
    assert Path(f"{log}.1").stat().st_size == 1000
    assert log.stat().st_size == 0
    child.send_line("")
    wait_exit(child)
    assert log.read_text() == "after\n"
    child.stop()


def serving(code: str, ready: str, port: int) -> ProcessSpec:
    """Return a command that gets its port as PORT."""
    argv = (sys.executable, "-S", "-u", "-c", f"import socket, os, time\nPORT = {port}\n{code}")
    return ProcessSpec("app", argv, Path("/"), url=f"http://127.0.0.1:{port}", ready=ready)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_ready(child: Child, timeout_s: float = 20.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not child.is_ready():
        assert child.poll() is None
        assert time.monotonic() < until_s
        time.sleep(0.02)


LISTEN = "server = socket.create_server(('127.0.0.1', PORT)); "


@pytest.mark.parametrize(
    "code",
    [
        f"{LISTEN}time.sleep(300)",
        f"{LISTEN}os.fork()\ntime.sleep(300)",
        "if os.fork() == 0: server = socket.create_server(('', PORT), family=socket.AF_INET6, dualstack_ipv6=True)\n"
        "time.sleep(300)",
        f"if os.fork() == 0:\n  os.setsid()\n  if os.fork(): os._exit(0)\n  {LISTEN}time.sleep(300)\nos.wait()\n"
        "time.sleep(300)",
    ],
    ids=["itself", "with a worker", "a worker, at IPv6", "a daemon"],
)  # fmt: skip
def test_a_command_is_ready_by_whichever_of_its_processes_listens(
    code: str, guard: Guard, tmp_path: Path
) -> None:
    """Also one that has detached from it."""
    child = Child(serving(code, "port", free_port()), tmp_path / "log", guard)
    wait_ready(child)
    assert child.doubt == ""
    child.stop()


@pytest.mark.parametrize("ready", ["port", "log: up"])
def test_a_command_in_whose_place_a_stranger_listens_is_refused(
    ready: str, guard: Guard, tmp_path: Path
) -> None:
    """As a container that it starts, or who took the port first: that one would be loaded, and the command judged."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        child = Child(serving("print('up'); time.sleep(300)", ready, port), tmp_path / "log", guard)
        with pytest.raises(
            UsageError, match=rf"app: port {port} is served by pid {os.getpid()} \(.*by `image`"
        ):
            wait_ready(child)
    child.stop()


def test_a_command_that_says_it_is_ready_need_not_listen(guard: Guard, tmp_path: Path) -> None:
    """A line of its output may come before it listens, and what is loaded another way never does."""
    child = Child(serving("print('up'); time.sleep(300)", "log: up", free_port()), tmp_path / "log", guard)
    wait_ready(child)
    child.stop()


def test_what_answers_where_nobody_listens_is_forwarded(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker does it by rules of the kernel: the command is not ready, and the sentence says why."""
    monkeypatch.setattr("soak.process.child.is_ready", lambda *_: True)
    port = free_port()
    child = Child(serving("time.sleep(300)", "/", port), tmp_path / "log", guard)
    assert not child.is_ready()
    assert child.what_failed().startswith(f"127.0.0.1:{port} answered (it is forwarded")
    child.stop()


def test_a_stranger_is_looked_at_again_before_a_start_is_refused(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is being given to another parent is none of its processes at that instant."""
    looks = iter([Serving.OTHER, Serving.OWN])
    monkeypatch.setattr("soak.process.child.is_ready", lambda *_: True)
    monkeypatch.setattr("soak.process.child.who_serves", lambda *_: next(looks))
    child = Child(serving("time.sleep(300)", "/", free_port()), tmp_path / "log", guard)
    assert child.is_ready()
    child.stop()
