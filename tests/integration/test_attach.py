"""Attaching to what runs elsewhere or without us: namespaces, containers, and a probe that comes late."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from soak import contract
from soak.containers.engine import Engine, find_container
from soak.errors import UsageError
from soak.heap.census import take_census
from soak.process.probe_injection import PROBE_PATH
from soak.sampling.probe_client import ProbeClient
from soak.supervisor import late_probe
from soak.supervisor.attachments import Attachment
from soak.supervisor.ending import StopRequest
from soak.supervisor.late_probe import late_probes
from tests.support import containers
from tests.support.containers import require_engine
from tests.support.images import build_app_image
from tests.support.pythons import find_interpreter

pytestmark = pytest.mark.integration

NAME = f"soakproof-test-attach-{os.getpid()}"
IMAGE = f"{NAME}:1"
"""Of this process: others may test at the same time."""
SERVES = (
    "import os, time\nprint('up', flush=True)\nkept, grows = [], int(os.environ.get('GROWS', 0))\n"
    "while True: kept.append(b'x' * grows); time.sleep(0.02)\n"
)
"""A service whose main thread runs Python fifty times a second, and then keeps GROWS bytes each time."""
IDLE = "import sys\nprint('up', flush=True)\nsys.stdin.readline()\nprint('soak_probe' in sys.modules, flush=True)\n"
"""A service that waits for its first request, and answers whether the probe is in it."""
ATTACH = (sys.executable, "-m", "soak", "attach")
PATIENCE_S = 30.0


@contextmanager
def running(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program that prints a line when it is up, until the end."""
    with subprocess.Popen(
        argv, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
            process.kill()


def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return once it holds; fails where it does not in time."""
    by_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < by_s
        time.sleep(0.05)


def left_behind(pid: int) -> list[Path]:
    """Return what of ours is in the places of a process."""
    root = Path(f"/proc/{pid}/root")
    return [
        path for place in ("tmp", "dev/shm", "var/tmp", "run") for path in (root / place).glob("soakproof-*")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces everywhere")
@pytest.mark.parametrize(
    "flags",
    [("--mount",), ("--pid", "--fork"), ("--pid", "--fork", "--user", "--map-root-user")],
    ids=" ".join,
)
def test_a_probe_in_namespaces_of_its_own_answers(flags: Sequence[str]) -> None:
    """Under its own pid, which may be 1; the peer of the connection is checked by our pid of it."""
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        env = {"PYTHONPATH": str(PROBE_PATH), "SOAK_PROBE_DIR": directory}
        with running(["unshare", *flags, sys.executable, "-c", SERVES], env) as process:
            pid = [process.pid, *(one.pid for one in psutil.Process(process.pid).children(recursive=True))][
                -1
            ]
            probe = ProbeClient(Path(directory), pid)
            assert probe.missing == ""
            assert probe.ask("sample", PATIENCE_S)["ok"]
            probe.close()


@pytest.fixture(params=["3.14", "3.15"])
def python(request: pytest.FixtureRequest) -> str:
    """A Python that takes a probe while it runs; skips those that are not on this machine."""
    found = find_interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} here")
    return found


class TestInject:
    def test_a_process_that_was_started_without_us_gets_a_probe(self, python: str) -> None:
        """It answers, a child that it forks later answers too, and nothing is left but a thread for twenty seconds."""
        forks = SERVES.replace("while", "os.read(0, 1)\nos.fork()\nwhile")
        with running([python, "-c", forks]) as process:
            attachment = Attachment(psutil.Process(process.pid))
            with late_probes([attachment], StopRequest(), sleep=_feeding(process)) as found:
                late = found[attachment]
                assert (list(late.directories), late.refused) == ([process.pid], {})
                probe = late.find(process.pid)
                assert probe is not None
                assert probe.ask("sample", PATIENCE_S)["live_blocks"] > 0
                probe.close()
                wait_until(lambda: bool(psutil.Process(process.pid).children()))
                [child] = psutil.Process(process.pid).children()
                wait_until(lambda: late.find(child.pid) is not None)
                assert left_behind(process.pid)
            assert not left_behind(process.pid)
            assert process.poll() is None

    @pytest.mark.parametrize(
        ("flags", "env"), [(["-X", "disable-remote-debug"], {}), ([], {"PYTHON_DISABLE_REMOTE_DEBUG": "1"})]
    )
    def test_one_that_forbids_it_is_left_alone(
        self, python: str, flags: list[str], env: dict[str, str]
    ) -> None:
        """By either of Python's switches."""
        with (
            running([python, *flags, "-c", SERVES], env) as process,
            pytest.raises(
                UsageError, match=rf"^--inject: pid {process.pid} does not allow it: remote debugging"
            ),
            late_probes([Attachment(psutil.Process(process.pid))], StopRequest()),
        ):
            pass

    def test_an_idle_one_is_refused_and_runs_nothing_later(
        self, python: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The request is taken back: its next event finds none."""
        monkeypatch.setattr(late_probe, "ANSWER_S", 0.3)
        with running([python, "-c", IDLE]) as process:
            with (
                pytest.raises(
                    UsageError, match=r"did not start the probe in time .* send it a request meanwhile"
                ),
                late_probes([Attachment(psutil.Process(process.pid))], StopRequest()),
            ):
                pass
            assert not left_behind(process.pid)
            assert process.stdin is not None
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            assert process.stdout.read() == "False\n"

    def test_a_killed_harness_leaves_nothing_in_it(self, tmp_path: Path) -> None:
        """The probe leaves by itself, twenty seconds after, with its thread and its files."""
        python = find_interpreter("3.14")
        if python is None:
            pytest.skip("there is no Python 3.14 here")
        with running([python, "-c", SERVES]) as process:
            argv = [*ATTACH, "--pid", str(process.pid), "--inject", "--runs", str(tmp_path)]
            with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as harness:
                wait_until(
                    lambda: any("probe_injected" in one.read_text() for one in tmp_path.glob("*/events.csv"))
                )
                assert left_behind(process.pid)
                assert psutil.Process(process.pid).num_threads() == 2
                harness.kill()
            wait_until(lambda: not left_behind(process.pid), 2 * PATIENCE_S)
            wait_until(lambda: psutil.Process(process.pid).num_threads() == 1)


def _feeding(process: subprocess.Popen[str]) -> Callable[[float], None]:
    """Return a sleep that gives the process a line: its main thread runs again."""

    def sleep(seconds: float) -> None:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(seconds)

    return sleep


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_an_older_python_is_refused(version: str) -> None:
    """In one line that names it, and the fix."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    with (
        running([python, "-c", SERVES]) as process,
        pytest.raises(
            UsageError, match=rf"^--inject: pid {process.pid} .*3\.14.* start it with the probe, see docs"
        ),
        late_probes([Attachment(psutil.Process(process.pid))], StopRequest()),
    ):
        pass


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    """The engine, with an image of a Python that takes a probe, where there is one."""
    if os.geteuid() != 0:
        pytest.skip("only root reads the processes of every container")
    engine = require_engine()
    with tempfile.TemporaryDirectory() as directory:
        app = Path(directory, "served")
        app.mkdir()
        (app / "__main__.py").write_text(SERVES)
        python = find_interpreter("3.14") or find_interpreter("3.15") or sys.executable
        build_app_image(engine, IMAGE, app, python=python)
    yield engine
    engine.call(["rmi", "--force", IMAGE], PATIENCE_S)


@contextmanager
def container(engine: Engine, *options: str) -> Iterator[str]:
    """Run a container of IMAGE, until the end; yield its name once it is up."""
    with containers.running(engine, NAME, ["--network", "host", *options, IMAGE]) as name:
        wait_until(lambda: "up" in engine.call(["logs", name]).output)
        yield name


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--user", "1000"),
        ("--read-only", "--user", "4242", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        ("--uidmap", "0:100000:65536"),
        ("--uidmap", "0:100000:65536", "--user", "1000"),
    ],
    ids=" ".join,
)
def test_a_probe_in_a_container_answers(podman: Engine, options: Sequence[str]) -> None:
    """Whichever user it has, and in a user namespace, where our root is nobody; the census is ours from outside."""
    with container(
        podman,
        *options,
        f"--mount=type=bind,source={PROBE_PATH},destination=/soakproof/probe,readonly",
        "--mount=type=tmpfs,destination=/soakproof/run,tmpfs-mode=1777",
        "--env=PYTHONPATH=/soakproof/probe",
        "--env=SOAK_PROBE_DIR=/soakproof/run",
    ) as name:
        pid = find_container(name).pid or 0
        probe = ProbeClient(Path("/soakproof/run"), pid)
        assert probe.missing == ""
        assert probe.ask("sample", PATIENCE_S)["ok"]
        probe.close()
        assert take_census(pid).types


@pytest.mark.parametrize(
    "options", [("--user", "1000"), ("--read-only", "--uidmap", "0:100000:65536")], ids=" ".join
)
def test_a_container_is_attached_to_by_name_and_takes_a_probe(
    podman: Engine, options: Sequence[str], tmp_path: Path
) -> None:
    """A recording with the probe's figures and censuses; the container is as it was."""
    if find_interpreter("3.14") is None and find_interpreter("3.15") is None:
        pytest.skip("there is no Python here that takes a probe while it runs")
    with container(podman, *options) as name:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "soak",
                "attach",
                "--container",
                name,
                "--inject",
                "--for",
                "3s",
                "--runs",
                tmp_path,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 4, done.stderr  # three seconds decide nothing
        found = find_container(name)
        assert not left_behind(found.pid or 0)
        [run] = [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
        with (run / contract.EVENTS).open() as file:
            events = [(row["event"], row["pid"]) for row in csv.DictReader(file)]
        assert ("probe_injected", str(found.pid)) in events
        [arm] = run.glob("container_*")
        with (arm / contract.SAMPLES).open() as file:
            rows = list(csv.DictReader(file))
        assert rows
        assert all(int(row["live_blocks"]) > 0 for row in rows)
        assert (arm / contract.CENSUS).stat().st_size > 1000


def test_a_kill_by_the_containers_limit_is_seen(podman: Engine, tmp_path: Path) -> None:
    """The limit is the container's own, read from its cgroup; attaching ends with the container."""
    with container(podman, "--memory", "48m", "--env", "GROWS=200000") as name:
        done = subprocess.run(
            [*ATTACH, "--container", name, "--runs", tmp_path],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert "memory limit 48 MiB (set externally)" in done.stdout
    [run] = [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
    with (run / contract.EVENTS).open() as file:
        exits = [row["by"] for row in csv.DictReader(file) if row["event"] == "exit"]
    assert exits[0] == "kernel"


@pytest.mark.usefixtures("podman")
def test_a_container_that_is_not_there_is_a_sentence() -> None:
    """Exit code 2, before anything is recorded."""
    done = subprocess.run(
        [*ATTACH, "--container", "soakproof-test-none"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--container: no container soakproof-test-none on this machine (asked podman" in done.stderr
