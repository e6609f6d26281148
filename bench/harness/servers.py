"""The servers of a measurement: real processes on loopback ports, each ended by its handle."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness.load_client import HOST, SERVICES
from bench.harness.subprocesses import ROOT
from soak.errors import HarnessError
from soak.process.child import Child, describe_exit
from soak.process.guard import Guard
from soak.process.log import last_words
from soak.process.spec import ProcessSpec

STUB_LATENCY_MS = "1"
READY_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Cores:
    """Where processes run: the server that is measured has a core, all that loads it has the others."""

    server: frozenset[int]
    rest: frozenset[int]


def divide(cores: Set[int]) -> Cores:
    """Give the server the last core and the rest the others; a single core is shared by all."""
    server = frozenset({max(cores)})
    return Cores(server, frozenset(cores) - server or server)


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started; its port is the last word."""

    name: str
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def gateway(name: str, variant: str, upstream: str, env: Mapping[str, str] | None = None) -> Command:
    """Return how a variant of the gateway is started; ``upstream`` is host and port of all its services."""
    upstreams = ",".join(f"{service}={upstream}" for service in SERVICES)
    return Command(
        name, ("-m", "gateway", "--variant", variant, "--upstreams", upstreams, "--port"), env or {}
    )


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    name: str
    port: int
    child: Child

    def cpu_s(self) -> float:
        """Return user and system time of its process since its start, seconds; raises HarnessError when it is gone."""
        return cpu_s(self.child.pid)


@dataclass(frozen=True, slots=True)
class Place:
    """Where servers are started: a directory for logs and recordings, which goes away, and the stubs."""

    directory: Path
    guard: Guard
    cores: Cores
    upstream: str
    """Host and port of the stubs."""

    def serving(self, command: Command) -> AbstractContextManager[Server]:
        """Run a server on its own core until the end of the block; raises HarnessError when it cannot start."""
        return _running(command, self.directory, self.guard, self.cores.server)


@contextmanager
def open_place() -> Iterator[Place]:
    """Yield a place with stubs; this process, and what it starts, keeps off the server's core meanwhile."""
    mine = os.sched_getaffinity(0)
    cores = divide(mine)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="soak-bench-")))
        guard = Guard()
        stack.callback(guard.close)
        guard.add_directory(directory)  # should we be killed
        os.sched_setaffinity(0, cores.rest)
        stack.callback(os.sched_setaffinity, 0, mine)
        words = ("-m", "stubs", "--services", ",".join(SERVICES), "--latency-ms", STUB_LATENCY_MS, "--port")
        stubs = stack.enter_context(_running(Command("stubs", words), directory, guard, cores.rest))
        yield Place(directory, guard, cores, f"{HOST}:{stubs.port}")


@contextmanager
def _running(command: Command, directory: Path, guard: Guard, cores: Set[int]) -> Iterator[Server]:
    port = free_port()
    spec = ProcessSpec(
        command.name,
        (sys.executable, *command.words, str(port)),
        ROOT,
        url=f"http://{HOST}:{port}",
        ready="/healthz",
        env=command.env,
    )
    child = Child(spec, directory / f"{command.name}.log", guard)
    try:
        os.sched_setaffinity(child.pid, cores)
        _wait_ready(child)
        yield Server(command.name, port, child)
    finally:
        child.stop()


def _wait_ready(child: Child) -> None:
    deadline = time.monotonic() + child.spec.ready_timeout_s
    while not child.is_ready():
        code = child.poll()
        if code is not None or time.monotonic() > deadline:
            what = (
                "did not get ready" if code is None else f"ended before it was ready ({describe_exit(code)})"
            )
            raise HarnessError(
                f"{child.spec.name} {what}. The last lines of its output:\n{last_words(child.log)}"
            )
        time.sleep(READY_EVERY_S)


def cpu_s(pid: int) -> float:
    """Return user and system time of a process since its start, seconds, to the nanosecond: /proc counts in 10 ms.

    Raises HarnessError when it is gone. The clock of another process is that of clock_getcpuclockid(3).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        raise HarnessError(f"process {pid} of the benchmark has ended") from None


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
