"""The probe's server, its life over forks, and its answers: in this process, on a socket of its own."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from soak_probe import allocators, answers, lifecycle, pause, server
from soak_probe.report import report
from soak_probe.sessions import Sessions

from soak.contract import PROBE_COLUMNS, names
from soak.contract.evidence import MOST_SPACING
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.sampling.process_tree import SCAN_EVERY_S, SETTLED_S
from soak.sampling.sampler import PROBE_TIMEOUT_S

PATIENCE_S = 10
OTHER_USER = 12345


@pytest.fixture
def directory() -> Iterator[str]:
    """A private directory whose path is short enough for a Unix socket."""
    path = tempfile.mkdtemp(prefix="soak-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def serve(directory: str) -> Iterator[Callable[[Callable[[bytes], bytes]], server.Server]]:
    """Return a function that starts a server with a given way to answer; it is stopped at the end."""
    started: list[server.Server] = []

    def start(answer: Callable[[bytes], bytes]) -> server.Server:
        started.append(server.Server(f"{directory}/probe.sock", answer))
        started[0].start()
        return started[0]

    yield start
    for each in started:
        each.stop()
        each.close()


@pytest.fixture
def connect(directory: str) -> Iterator[Callable[[], socket.socket]]:
    """Return a function that makes a connection to the server."""
    made: list[socket.socket] = []

    def client() -> socket.socket:
        made.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        made[-1].settimeout(PATIENCE_S)
        made[-1].connect(f"{directory}/probe.sock")
        return made[-1]

    yield client
    for each in made:
        each.close()


def echo(line: bytes) -> bytes:
    """Answer a line with itself."""
    return line + b"\n"


def stack_bytes() -> int:
    """Return the size of the stack of the thread that asks."""
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    c = ctypes.CDLL(None)
    c.pthread_self.restype = ctypes.c_void_p
    assert c.pthread_getattr_np(ctypes.c_void_p(c.pthread_self()), attributes) == 0
    assert c.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    return size.value


def count_threads() -> int:
    """Return how many threads of this process the kernel knows."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def file_names(directory: str) -> set[str]:
    """Return the names of what is in the directory."""
    return {path.name for path in Path(directory).iterdir()}


def read_line(client: socket.socket) -> bytes:
    """Return the next line, or what came of it before the connection ended."""
    line = b""
    while not line.endswith(b"\n"):
        part = client.recv(1)
        if not part:
            break
        line += part
    return line


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once it holds; fails where it does not within PATIENCE_S."""
    by_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < by_s
        time.sleep(0.005)


Serve = Callable[[Callable[[bytes], bytes]], server.Server]
Connect = Callable[[], socket.socket]


class TestServer:
    def test_a_connection_may_ask_often(self, serve: Serve, connect: Connect) -> None:
        """Requests over one connection are answered in order: in pieces, one by one, or many at once."""
        serve(echo)
        client = connect()
        for piece in (b"on", b"e\ntw", b"o\nthree\nfour\n"):
            client.sendall(piece)
        assert [read_line(client) for _ in range(4)] == [b"one\n", b"two\n", b"three\n", b"four\n"]

    def test_an_overlong_line_is_refused_and_the_next_client_served(
        self, serve: Serve, connect: Connect
    ) -> None:
        """A line without an end costs its sender the connection, and nobody else anything."""
        serve(echo)
        client = connect()
        client.sendall(b"x" * (server.LONGEST_LINE + 1))
        assert read_line(client) == b'{"ok": false, "error": "a request is one line of at most 64 KiB"}\n'
        assert read_line(client) == b""
        other = connect()
        other.sendall(b"still here\n")
        assert read_line(other) == b"still here\n"

    def test_silent_clients_do_not_keep_others_out(self, serve: Serve, connect: Connect) -> None:
        """With as many silent clients as there may be, one more is served, and the oldest is dropped for it."""
        serve(echo)
        silent = []
        for _ in range(server.MOST_CLIENTS):
            silent.append(connect())
            silent[-1].sendall(b"hello\n")
            read_line(silent[-1])
        late = connect()
        late.sendall(b"late\n")
        assert read_line(late) == b"late\n"
        assert read_line(silent[0]) == b""
        silent[1].sendall(b"kept\n")
        assert read_line(silent[1]) == b"kept\n"

    def test_a_client_that_does_not_read_is_dropped(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client that leaves its answers unread is given up after the timeout; the others are served then."""
        monkeypatch.setattr(server, "SEND_TIMEOUT_S", 0.05)
        serve(lambda line: line * 4_000_000 + b"\n")
        connect().sendall(b"x\n")
        other = connect()
        other.sendall(b"\n")
        assert read_line(other) == b"\n"

    def test_a_stop_and_a_start_are_not_seen_by_a_client(self, serve: Serve, connect: Connect) -> None:
        """A connection outlives the thread: what it asks in between is answered by the next one."""
        running = serve(echo)
        client = connect()
        client.sendall(b"before\n")
        assert read_line(client) == b"before\n"
        running.stop()
        client.sendall(b"between\n")
        running.start()
        assert read_line(client) == b"between\n"

    def test_a_stopped_thread_is_gone_for_the_kernel(self, serve: Serve) -> None:
        """After stop the process has as many threads as before start: a fork then needs no warning."""
        before = count_threads()
        running = serve(echo)
        assert count_threads() == before + 1
        running.stop()
        assert count_threads() == before

    @pytest.fixture
    def busy(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[server.Server, socket.socket, threading.Event]:
        """A server that answers ``slow`` until the event is set, longer than a stop waits; and who has asked it."""
        monkeypatch.setattr(server, "STOP_TIMEOUT_S", 0.02)
        begun, goes_on = threading.Event(), threading.Event()

        def answer(line: bytes) -> bytes:
            if line == b"slow":
                begun.set()
                goes_on.wait(PATIENCE_S)
            return echo(line)

        running, client = serve(answer), connect()
        client.sendall(b"slow\n")
        assert begun.wait(PATIENCE_S)
        return running, client, goes_on

    def test_a_thread_that_was_too_busy_to_stop_goes_on(
        self, busy: tuple[server.Server, socket.socket, threading.Event]
    ) -> None:
        """However many forks come while it answers, there is one thread, and it serves after them."""
        running, client, goes_on = busy
        threads = count_threads()
        for _ in range(3):
            running.stop()
            running.start()
        assert count_threads() == threads
        goes_on.set()
        assert read_line(client) == b"slow\n"
        for word in (b"one\n", b"two\n"):
            client.sendall(word)
            assert read_line(client) == word
            running.stop()
            assert count_threads() == threads - 1
            running.start()
            assert count_threads() == threads

    def test_forks_without_end_while_it_is_busy_block_nobody(
        self,
        busy: tuple[server.Server, socket.socket, threading.Event],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What wakes the thread fits into its pipe or is left out; a fork waits its time, not for ever."""
        monkeypatch.setattr(server, "STOP_TIMEOUT_S", 0.0)
        running, client, goes_on = busy
        for _ in range(1000):
            running.stop()
            running.start()
        goes_on.set()
        assert read_line(client) == b"slow\n"
        client.sendall(b"more\n")
        assert read_line(client) == b"more\n"

    def test_a_fork_within_the_start_makes_no_second_thread(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A signal handler may fork at any moment: it stops and starts the server again."""
        running = serve(echo)
        running.stop()

        def start_and_fork(*arguments: Any) -> int:
            monkeypatch.setattr(server, "start_new_thread", start_new_thread)
            ident = start_new_thread(*arguments)
            running.stop()
            running.start()
            return ident

        monkeypatch.setattr(server, "start_new_thread", start_and_fork)
        before = count_threads()
        running.start()
        wait_until(lambda: count_threads() == before + 1)
        client = connect()
        client.sendall(b"one\n")
        assert read_line(client) == b"one\n"

    def test_one_that_was_to_stop_while_busy_ends_after_its_answer(
        self, busy: tuple[server.Server, socket.socket, threading.Event]
    ) -> None:
        """And the next start has a thread of its own."""
        running, client, goes_on = busy
        threads = count_threads()
        running.stop()
        goes_on.set()
        assert read_line(client) == b"slow\n"
        wait_until(lambda: count_threads() == threads - 1)
        running.start()
        client.sendall(b"more\n")
        assert read_line(client) == b"more\n"

    def test_a_stop_ends_a_long_search(self, serve: Serve, connect: Connect) -> None:
        """A fork waits for no search to its end, and leaves no child what the search holds; the next one has time."""
        begun = threading.Event()

        def answer(line: bytes) -> bytes:
            while line == b"search" and math.isfinite(pause.clock_s()):
                begun.set()
            return echo(line)

        running, client = serve(answer), connect()
        threads = count_threads()
        client.sendall(b"search\n")
        assert begun.wait(PATIENCE_S)
        running.stop()
        assert count_threads() == threads - 1
        running.start()
        assert read_line(client) == b"search\n"
        assert math.isfinite(pause.clock_s())

    @pytest.mark.parametrize("own", [0, 1 << 16])
    def test_its_thread_has_room_though_the_target_s_own_have_little(
        self, own: int, serve: Serve, connect: Connect
    ) -> None:
        """After a fork it starts again: by then the target may have set a stack in which an import ends the process."""

        def answer(_line: bytes) -> bytes:
            return b"%d\n" % stack_bytes()

        threading.stack_size(own)
        try:
            serve(answer)
            assert threading.stack_size() == own
        finally:
            threading.stack_size(0)
        client = connect()
        client.sendall(b"one\n")
        assert int(read_line(client)) >= server.STACK_BYTES

    def test_only_the_owner_may_open_the_socket(self, serve: Serve, directory: str) -> None:
        """The socket's mode is 0600; a file left there by an earlier process is replaced."""
        path = Path(directory, "probe.sock")
        path.write_text("stale")
        serve(echo)
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(("uid", "allowed"), [(0, True), (OTHER_USER, True), (OTHER_USER + 1, False)])
    def test_other_users_are_not_served(
        self, monkeypatch: pytest.MonkeyPatch, uid: int, allowed: bool
    ) -> None:
        """Only root and the user the target runs as may ask."""
        monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)

        class Peer:
            def getsockopt(self, *_: int) -> bytes:
                return b"".join(number.to_bytes(4, sys.byteorder) for number in (99, uid, 77))

        peer: Any = Peer()
        assert server._may_ask(peer) is allowed

    def test_a_number_that_became_another_file_is_left_alone(self, directory: str) -> None:
        """After the target has closed our descriptors and reused a number, nothing of ours touches its file."""
        ours, other = socket.socketpair()
        held = server.Socket(ours)
        with Path(directory, "data").open("wb") as target_file:
            os.dup2(target_file.fileno(), held.fd)
        assert not held.is_ours()
        held.close()
        os.write(held.fd, b"still open")
        os.close(held.fd)
        other.close()
        assert Path(directory, "data").read_bytes() == b"still open"

    def test_an_error_in_an_answer_ends_in_one_line(
        self, serve: Serve, connect: Connect, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """If answering fails for good, the client sees the end, and standard error one line with the reason."""

        def fail(_line: bytes) -> bytes:
            raise ImportError("No module named '_ctypes'")

        running = serve(fail)
        client = connect()
        client.sendall(b"x\n")
        assert read_line(client) == b""
        running.stop()
        assert (
            capfd.readouterr().err
            == f"soak_probe: pid {os.getpid()} is not probed: No module named '_ctypes'\n"
        )


class TestLifecycle:
    def test_a_directory_open_to_others_is_refused(self, directory: str) -> None:
        """The probe serves from a private directory only, and says how to make it one."""
        Path(directory).chmod(0o750)
        with pytest.raises(PermissionError) as caught:
            lifecycle.start(directory)
        assert str(caught.value) == f"{directory} is open to other users; fix: chmod 700 {directory}"

    def test_sockets_of_dead_processes_are_removed(self, directory: str) -> None:
        """A new process removes what dead ones left, and nothing else."""
        beyond_pid_max = 2**22 + 1
        for name in (f"{beyond_pid_max}.sock", "1.sock", f"{beyond_pid_max}.txt"):
            Path(directory, name).touch()
        probe = lifecycle.Probe(directory, Sessions())
        probe.open()
        expected = {f"{os.getpid()}.sock", "1.sock", f"{beyond_pid_max}.txt"}
        assert file_names(directory) == expected
        probe.close()
        assert file_names(directory) == expected - {f"{os.getpid()}.sock"}

    def test_a_socket_that_is_served_is_left_though_its_process_is_not_seen(self, directory: str) -> None:
        """That of a parent, where a child has a pid namespace of its own."""
        served = f"{directory}/{2**22 + 1}.sock"
        running = server.Server(served, echo)
        running.start()
        Path(directory, f"{2**22 + 2}.sock").touch()
        probe = lifecycle.Probe(directory, Sessions())
        probe.open()
        probe.close()
        assert file_names(directory) == {f"{2**22 + 1}.sock"}
        running.stop()
        running.close()

    @pytest.mark.skipif(sys.version_info >= (3, 13), reason="the module has another name")
    def test_a_subinterpreter_leaves_the_socket_to_the_main_one(self, directory: str) -> None:
        """It has the same pid: its figures are not those of the process, and its end is not that of the probe."""
        script = """
import os, sys, textwrap
import _xxsubinterpreters as interpreters
path = f"{os.environ['SOAK_PROBE_DIR']}/{os.getpid()}.sock"
before = os.stat(path).st_ino
for isolated in (True, False):
    one = interpreters.create(isolated=isolated)
    interpreters.run_string(one, "import sys; assert 'soak_probe' not in sys.modules")
    interpreters.destroy(one)
print(os.stat(path).st_ino == before)
"""
        found = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(PROBE_PATH), PROBE_DIRECTORY_VARIABLE: directory},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (found.returncode, found.stdout, found.stderr) == (0, "True\n", "")

    def test_concurrent_forks_restart_the_thread_once(self, directory: str) -> None:
        """While two threads fork, ours stays stopped until the second fork is done."""
        probe = lifecycle.Probe(directory, Sessions())
        before = count_threads()
        probe.open()
        counts = []
        for step in (
            probe.before_fork,
            probe.before_fork,
            probe.after_fork_in_parent,
            probe.after_fork_in_parent,
        ):
            step()
            counts.append(count_threads() - before)
        probe.close()
        assert counts == [0, 0, 0, 1]

    def test_a_child_without_its_directory_stays_out(
        self, directory: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Where the directory has vanished meanwhile, a forked child says so in one line and runs on."""
        probe = lifecycle.Probe(f"{directory}/inner", Sessions())
        Path(directory, "inner").mkdir(mode=0o700)
        probe.open()
        shutil.rmtree(f"{directory}/inner")
        probe.before_fork()
        probe.after_fork_in_child()
        probe.close()
        reason = f"[Errno 2] No such file or directory: '{directory}/inner'"
        assert capfd.readouterr().err == f"soak_probe: pid {os.getpid()} is not probed: {reason}\n"

    def test_where_all_may_make_files_the_socket_is_in_a_directory_of_its_user(self, directory: str) -> None:
        """A container's tmpfs, made before the user of the container is known."""
        Path(directory).chmod(0o1777)
        probe = lifecycle.Probe(directory, Sessions())
        probe.open()
        own = Path(directory, str(os.geteuid()))
        assert (file_names(str(own)), own.stat().st_mode & 0o777) == ({f"{os.getpid()}.sock"}, 0o700)
        probe.close()
        assert not file_names(str(own))

    @pytest.mark.parametrize("kind", ["link", "open", "other"])
    def test_a_directory_that_another_user_made_or_may_change_is_refused(
        self, directory: str, kind: str
    ) -> None:
        """They could take the socket away and answer instead."""
        Path(directory).chmod(0o1777)
        own = Path(directory, str(os.geteuid()))
        if kind == "link":
            Path(directory, "theirs").mkdir(mode=0o700)
            own.symlink_to("theirs")
        else:
            own.mkdir(mode=0o700)
            if kind == "open":
                own.chmod(0o770)
            elif os.geteuid() == 0:
                os.chown(own, OTHER_USER, OTHER_USER)
            else:
                pytest.skip("only root can give a directory away")
        with pytest.raises(
            PermissionError, match=f"{own} (is open to other users|belongs to user {OTHER_USER});"
        ):
            lifecycle.Probe(directory, Sessions()).open()

    @pytest.fixture
    def visit(self, directory: str) -> Iterator[Callable[[float], lifecycle.Probe]]:
        """Return a function that opens a probe which leaves when nobody asks so long, with a file beside its socket."""
        made: list[lifecycle.Probe] = []

        def start(idle_s: float) -> lifecycle.Probe:
            Path(directory, "visit/deep").mkdir(parents=True)
            Path(directory, "visit").chmod(0o700)
            Path(directory, "visit/deep/file").touch()
            made.append(lifecycle.Probe(f"{directory}/visit", Sessions(), idle_s))
            made[0].open()
            return made[0]

        yield start
        for each in made:
            each.close()

    def test_a_visit_ends_when_nobody_asks(
        self, directory: str, visit: Callable[[float], lifecycle.Probe]
    ) -> None:
        """Its thread is gone, and its directory with all that is in it: also after a harness that was killed."""
        before = count_threads()
        visit(0.05)
        wait_until(lambda: not file_names(directory) and count_threads() == before)

    def test_a_visit_lasts_while_somebody_is_connected(
        self, directory: str, visit: Callable[[float], lifecycle.Probe]
    ) -> None:
        """However seldom they ask; it ends after they have gone."""
        visit(0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE_S)
            client.connect(f"{directory}/visit/{os.getpid()}.sock")
            for _ in range(2):
                client.sendall(b'{"op": "sample"}\n')
                assert json.loads(read_line(client))["ok"]
                assert not select.select([client], [], [], 0.1)[0]
        wait_until(lambda: not file_names(directory))

    def test_a_forked_child_is_asked_before_its_probe_leaves(self) -> None:
        """In the longest sampling, too, and so is one whose connection was lost."""
        found_s = 2 * SCAN_EVERY_S + SETTLED_S
        assert found_s + MOST_SPACING * 1.0 + PROBE_TIMEOUT_S < lifecycle.VISIT_IDLE_S

    def test_a_visit_is_followed_by_the_next(
        self, directory: str, visit: Callable[[float], lifecycle.Probe]
    ) -> None:
        """In another directory, with the hooks that are there; what the first left behind is not touched."""
        probe = visit(0.05)
        wait_until(lambda: not file_names(directory))
        Path(directory, "next").mkdir(mode=0o700)
        probe.move(f"{directory}/next")
        assert file_names(f"{directory}/next") == {f"{os.getpid()}.sock"}
        wait_until(lambda: not file_names(directory))

    def test_a_visit_that_is_followed_at_once_removes_its_directory(
        self, directory: str, visit: Callable[[float], lifecycle.Probe]
    ) -> None:
        """Whoever made it may have been killed."""
        probe = visit(PATIENCE_S)
        Path(directory, "next").mkdir(mode=0o700)
        probe.move(f"{directory}/next")
        assert file_names(directory) == {"next"}

    def test_a_probe_from_the_start_never_removes_its_directory(self, directory: str) -> None:
        """At its process's end, too: others have their sockets there."""
        probe = lifecycle.Probe(directory, Sessions())
        probe.open()
        Path(directory, "kept").touch()
        probe.leave()
        assert file_names(directory) == {"kept"}

    def test_a_forked_child_leaves_the_directory_to_its_parent(
        self, directory: str, visit: Callable[[float], lifecycle.Probe]
    ) -> None:
        """It removes its own socket alone: its parent may serve on."""
        probe = visit(PATIENCE_S)
        child = lifecycle.Probe(f"{directory}/visit", Sessions(), 0.05)
        child._pid = 1
        probe.before_fork()
        probe.close()
        child.open()
        wait_until(lambda: file_names(f"{directory}/visit") == {"deep"})

    def test_a_directory_with_a_long_path_is_used(self, directory: str) -> None:
        """Of a Unix socket the kernel takes 107 bytes."""
        long = Path(directory, "d" * 120)
        long.mkdir(mode=0o700)
        probe = lifecycle.Probe(str(long), Sessions())
        probe.open()
        assert file_names(str(long)) == {f"{os.getpid()}.sock"}
        probe.close()
        assert not file_names(str(long))


@pytest.fixture
def ask() -> Callable[..., dict[str, Any]]:
    """Return a function that puts a request to this process and returns the answer."""
    answerer = answers.Answers(Sessions())

    def put(**request: object) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(answerer.answer(json.dumps(request).encode()))
        return answer

    return put


Ask = Callable[..., dict[str, Any]]


class TestAnswers:
    def test_a_sample_has_the_names_of_a_recording(self, ask: Ask) -> None:
        """Every figure is a column of samples.csv that the probe reports, and each of those is a figure."""
        figures = set(ask(op="sample")) - {"ok", "heap_s", "gauge_errors", "problems"}
        assert figures == set(names(PROBE_COLUMNS))

    def test_an_answer_that_is_no_json_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The thread goes on: a target may have put an object in the place of a figure of Python's own."""
        monkeypatch.setattr(sys, "getallocatedblocks", object)
        answer = json.loads(answers.Answers(Sessions()).answer(b'{"op": "sample"}'))
        assert not answer["ok"]
        assert answer["error"].startswith("TypeError: ")

    @pytest.mark.parametrize("number", [None, "1"])
    def test_an_error_stream_that_is_no_file_is_left_alone(
        self, number: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As that of Celery's workers, which writes to a log and has None for the number of its file."""
        monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(fileno=lambda: number))
        report(OSError("not here"))

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
    def test_whatever_the_targets_objects_raise_is_an_answer(self, error: type[BaseException]) -> None:
        """The thread goes on; a name that is no text is shown without what is none."""
        answering = answers.Answers(Sessions())

        def fail(_request: dict[str, Any]) -> dict[str, Any]:
            raise error("its own")

        answering._ops |= {"fail": fail, "name": lambda _: {"name": "h\xe4lt \udcff"}}
        assert json.loads(answering.answer(b'{"op": "fail"}'))["error"] == f"{error.__name__}: its own"
        assert json.loads(answering.answer(b'{"op": "name"}')) == {"ok": True, "name": "h\xe4lt ?"}

    def test_a_sample_sees_live_blocks_and_collections(self, ask: Ask) -> None:
        """100,000 kept objects are 100,000 live blocks more; a full collection is one more of generation 2."""
        gc.collect()  # what earlier tests have left
        before = ask(op="sample")
        kept = [object() for _ in range(100_000)]
        gc.collect()
        after = ask(op="sample")
        assert after["live_blocks"] - before["live_blocks"] == pytest.approx(len(kept), rel=0.05)
        assert after["gc_gen2_collections"] - before["gc_gen2_collections"] == 1

    def test_figures_of_malloc_that_cannot_be_true_are_a_problem_and_no_reading(
        self, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The rest of the sample is whole."""
        assert ask(op="sample")["problems"] == {}

        def lie() -> dict[str, int]:
            raise allocators.ImplausibleError("glibc answers nonsense")

        monkeypatch.setattr(allocators, "malloc", lie)
        sample = ask(op="sample")
        assert sample["problems"] == {"malloc": "glibc answers nonsense"}
        assert sample["live_blocks"] > 0
        assert sample["malloc_in_use_bytes"] is None

    def test_a_target_without_pymalloc_has_no_live_blocks(
        self, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The 0 that Python gives without its own allocator is no reading, nor the blocks of one thread of mimalloc."""
        monkeypatch.setattr(sys, "getallocatedblocks", lambda: 0)
        assert ask(op="sample")["live_blocks"] is None
        monkeypatch.setattr(sys, "getallocatedblocks", lambda: 12)
        monkeypatch.setattr(allocators, "pymalloc", lambda: None)
        assert ask(op="sample")["live_blocks"] is None

    def test_objects_of_the_target_that_raise_cost_their_own_figure_only(
        self, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A session whose ``closed`` raises leaves the sessions unread and the rest of the sample whole."""
        monkeypatch.setattr(Sessions, "count", lambda _: 1 // 0)
        sample = ask(op="sample")
        assert (sample["ok"], sample["sessions_alive"], sample["sessions_open"]) == (True, None, None)

    def test_collect_frees_cycles(self, ask: Ask) -> None:
        """100 planted cycles are freed by the collection."""
        gc.collect()
        for _ in range(100):
            cycle: list[object] = []
            cycle.append(cycle)
        del cycle
        assert ask(op="collect")["freed"] >= 100

    @pytest.mark.parametrize(
        "switch_off", [gc.disable, partial(gc.set_threshold, 0), partial(gc.set_threshold, 10**9)]
    )
    def test_a_collector_that_is_off_stays_off(self, ask: Ask, switch_off: Callable[[], object]) -> None:
        """Cycles of a process that collects none are its leak, as where no threshold is met: a point frees none."""
        gc.collect()
        before = gc.get_threshold()
        switch_off()
        try:
            cycle: list[object] = []
            cycle.append(cycle)
            del cycle
            kept = ask(op="collect", if_enabled=True)["freed"]
        finally:
            gc.set_threshold(*before)
            gc.enable()
        assert kept == 0
        assert ask(op="collect", if_enabled=True)["freed"] >= 1

    def test_trim_says_whether_memory_went_back(self, ask: Ask) -> None:
        """Or that it cannot be asked."""
        assert ask(op="trim")["trimmed"] in (True, False, None)

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            (b"", "Expecting value"),
            (b"\xff", "codec can't decode"),
            # from Python 3.14 on the depth is bounded by the stack, and all of it may be read
            (b"[" * 60_000, "RecursionError" if sys.version_info < (3, 14) else "Expecting value"),
            (b"7", "op None is not one of sample, collect, trim"),
            (b'{"op": "exec"}', "op 'exec' is not one of sample, collect, trim"),
            (b'{"op": []}', "unhashable"),
        ],
    )
    def test_bad_requests_are_answered_with_what_is_wrong(self, line: bytes, error: str) -> None:
        """Whatever comes, the answer is one line that says what is wrong."""
        answer = answers.Answers(Sessions()).answer(line)
        assert answer.count(b"\n") == 1
        told = json.loads(answer)
        assert told["ok"] is False
        assert error in told["error"]
