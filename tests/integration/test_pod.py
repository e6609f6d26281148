"""soakproof's own image, built by podman, beside a service as the containers of a pod: one pid namespace.

Volumes, probe, environment and rights are those of docs/how-to/kubernetes/pod.yaml.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from images.build import Contents, Start, build_images
from soak.containers.engine import Engine
from soak.errors import EXIT_INCONCLUSIVE, EXIT_USAGE
from tests.support.containers import require_engine, running, succeed
from tests.support.paths import ROOT
from tests.support.pods import run_words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BASE = "localhost/soakproof-test-base:local"
IMAGE = "localhost/soakproof-test:local"
POD: Any = yaml.safe_load((ROOT / "docs/how-to/kubernetes/pod.yaml").read_text())["spec"]
SERVICE = """
import asyncio, subprocess, sys
if len(sys.argv) == 1:
    worker = subprocess.Popen([sys.executable, __file__, "worker"])
async def main():
    await asyncio.gather(*(asyncio.sleep(3600) for _ in range(7)))
asyncio.run(main())
"""
SAMPLES, CENSUS = "pid_1/samples.csv", "pid_1/census.csv"
TASKS = 8
"""Pending tasks of each process of the service, the one of main among them."""


@dataclass(frozen=True)
class Attached:
    """What one ``soak attach`` in a container printed and recorded."""

    code: int
    output: str
    runs: Path

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.runs / "latest" / name).open() as file:
            return list(csv.DictReader(file))

    def readings(self, pid: int, column: str) -> set[float]:
        """All that was read of one process; smaps is not read for each row."""
        return {float(row[column]) for row in self.rows(SAMPLES) if row["pid"] == str(pid) and row[column]}


def download_wheels(lock: Path, place: Path) -> None:
    """Download the wheels of a lock that fit this Python; the build checks them against the lock's hashes.

    uv finds them: pip would weigh each of the 100,000 files that an index has of these packages, ten seconds of work.
    """
    find = ["uv", "pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", "--generate-hashes"]
    found = subprocess.run(
        [sys.executable, "-m", *find, "--python", sys.executable, str(lock)],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    ranks = {tag: rank for rank, tag in enumerate(sys_tags())}

    def rank(wheel: dict[str, Any]) -> int:
        tags = parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]
        return min((ranks[tag] for tag in tags if tag in ranks), default=len(ranks))

    chosen = [min(package["wheels"], key=rank) for package in tomllib.loads(found.stdout)["packages"]]
    urls = [f"{wheel['url']}#sha256={wheel['hashes']['sha256']}" for wheel in chosen]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*download, "--require-hashes", "--dest", str(place), *urls], check=True, timeout=300)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that has soakproof's image, from a base and wheels of this machine: no registry, no network."""
    engine = require_engine("podman")
    wheels = tmp_path_factory.mktemp("wheels")
    download_wheels(ROOT / "requirements-image.lock", wheels)
    build_images(Contents(["pip"]), [Start(BASE)], [engine])
    words = ["build", "--quiet", "--layers=false", "--network", "none", "--tag", IMAGE]
    words += ["--volume", f"{wheels}:/wheels:ro", "--build-arg", f"BASE={BASE}"]
    words += ["--build-arg", "PIP_NO_INDEX=1", "--build-arg", "PIP_FIND_LINKS=/wheels", str(ROOT)]
    succeed(engine, words, 400)
    yield engine
    engine.call(["rmi", "--force", IMAGE, BASE], 60)


@pytest.fixture(scope="module")
def service(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The container of a service of user 1000 with a worker, started as the manifest has it."""
    volumes, app = tmp_path_factory.mktemp("volumes"), tmp_path_factory.mktemp("app")
    (app / "shop.py").write_text(SERVICE)
    app.chmod(0o755)
    succeed(podman, ["run", "--rm", *run_words(POD["initContainers"][0], IMAGE, volumes)])
    words = [
        "--volume",
        f"{app}:/app:ro",
        *run_words(POD["containers"][0], BASE, volumes),
        "python",
        "/app/shop.py",
    ]
    with running(podman, "soakproof-test-shop", words) as name:
        deadline = time.monotonic() + 60
        while len(list((volumes / "soakproof" / "run").glob("1000/*.sock"))) < 2:
            assert time.monotonic() < deadline, podman.call(["logs", name])
            time.sleep(0.05)
        yield name


def attach(podman: Engine, service: str, runs: Path, *options: str) -> Attached:
    """Run ``soak attach`` in the pid namespace of the service, where its first process is 1."""
    runs.chmod(0o777)
    words = [
        "run",
        "--rm",
        "--network",
        "none",
        "--pid",
        f"container:{service}",
        "--volume",
        f"{runs}:/work/runs",
    ]
    answer = podman.call([*words, *options, IMAGE, "attach", "--pid", "1", "--for", "3s"], 120)
    return Attached(answer.code, answer.output + answer.errors, runs)


def rights(container: dict[str, Any]) -> list[str]:
    """Options of podman for what a container of the manifest may do."""
    words = run_words({"securityContext": container["securityContext"]}, "image", Path())
    return words[words.index("--user") : -1]


def test_the_image_runs_without_root_and_without_a_writable_file_system(podman: Engine) -> None:
    answer = succeed(
        podman, ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", IMAGE, "--version"]
    )
    assert answer.startswith("soakproof ")
    answer = succeed(
        podman, ["run", "--rm", "--entrypoint", "python", IMAGE, "-c", "import os; print(os.getuid())"]
    )
    assert answer == "1000"


def test_the_sidecar_of_the_manifest_sees_everything(podman: Engine, service: str, tmp_path: Path) -> None:
    """Root with SYS_PTRACE: the probes of both processes answer, and both are counted from outside."""
    attached = attach(podman, service, tmp_path, *rights(POD["containers"][1]))
    assert attached.code == EXIT_INCONCLUSIVE, attached.output
    pids = {int(row["pid"]) for row in attached.rows(SAMPLES)}
    assert 1 in pids
    assert len(pids) == 2
    for pid in pids:
        assert attached.readings(pid, "tasks_alive") == {TASKS}
        assert min(attached.readings(pid, "uss_bytes")) > 0
    assert {int(row["pid"]) for row in attached.rows(CENSUS)} == pids
    assert [row for row in attached.rows("events.csv") if row["event"] == "gap"] == []


def test_the_user_of_the_service_needs_no_capability(podman: Engine, service: str, tmp_path: Path) -> None:
    """Probe and USS of both processes; reading memory depends on ptrace_scope of the node."""
    attached = attach(podman, service, tmp_path, "--user", "1000", "--cap-drop", "ALL")
    assert attached.code == EXIT_INCONCLUSIVE, attached.output
    assert attached.readings(1, "tasks_alive") == {TASKS}
    assert min(attached.readings(1, "uss_bytes")) > 0


def test_root_without_the_capability_gets_rss_and_cpu_and_the_name_of_what_is_missing(
    podman: Engine, service: str, tmp_path: Path
) -> None:
    attached = attach(podman, service, tmp_path, "--user", "0")
    assert attached.code == EXIT_INCONCLUSIVE, attached.output
    assert min(attached.readings(1, "rss_bytes")) > 0
    assert min(attached.readings(1, "cpu_s")) > 0
    assert attached.readings(1, "tasks_alive") == attached.readings(1, "uss_bytes") == set()
    assert not (tmp_path / "latest" / CENSUS).exists()
    assert (
        "warning: --pid 1: only RSS and CPU can be read, no probe, USS or objects: the capability SYS_PTRACE"
        in attached.output
    )
    events = {row["event"] for row in attached.rows("events.csv") if "SYS_PTRACE" in row["detail"]}
    assert events == {"ready", "gap"}


def test_another_user_without_the_capability_is_refused(podman: Engine, service: str, tmp_path: Path) -> None:
    attached = attach(podman, service, tmp_path, "--user", "4242")
    assert attached.code == EXIT_USAGE
    assert "run this as its user, or as root" in attached.output
    assert list(tmp_path.iterdir()) == []
