"""Two images side by side under one load: a leak that the kernel ends, its fix, and the injected control."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.containers.engine import Engine, Image
from soak.contract import SITES
from soak.errors import EXIT_INCONCLUSIVE
from tests.support.containers import require_engine
from tests.support.images import build_app_image

from .conftest import Soak, soak_until

pytestmark = pytest.mark.integration

APP = Path(__file__).parents[1] / "integration" / "container_app"
IMAGE = f"soakproof-test-load-{os.getpid()}:1"
"""Of this process: others may test at the same time."""
LIMIT = 32 << 20
PROFILE = """
limit = {{ memory = "32 MiB", restart_delay_s = 1 }}
phases = {{ idle_s = 1, warmup_s = 4, load_s = 24, drain_s = 1, quiesce_s = 1 }}
sampling = {{ census_every_s = 4, quiesce_every_s = 4, quiesce_pause_s = 0.5 }}
traffic = {{ rate_rps = 60, request_bytes = 200, path = "/orders" }}
judge = {{ max_leak = "1500 B/request", control = "inject" }}
replay = {{ seconds = 12 }}
[arms.old]
role = "before"
image = "{image}"
env = {{ KEEP_BYTES = "13000" }}
ready = "port"
{more}
[arms.new]
role = "after"
image = "{image}"
ready = "/"
{more}
"""
HOST = 'network = "host"\nargs = ["{port}"]'


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine that has the image of a small service."""
    engine = require_engine(request.param)
    build_app_image(engine, IMAGE, APP, expose=8000)
    yield engine
    engine.call(["rmi", "--force", IMAGE])


@pytest.fixture(scope="module")
def soak(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """A run of both images; docker has no network of its own everywhere, and takes the host's."""
    directory = tmp_path_factory.mktemp(engine.name)
    profile = directory / "images.toml"
    more = f'engine = "{engine.name}"\n{HOST if engine.name == "docker" else ""}'
    profile.write_text(PROFILE.format(image=IMAGE, more=more))
    return soak_until(
        lambda soak: soak.code != EXIT_INCONCLUSIVE and soak.replayed("old"), profile, directory / "runs"
    )


def test_the_fix_is_signed_off_and_the_leak_is_named(soak: Soak) -> None:
    """By the verdicts on both, the leak that was injected into a copy of the image, and what retains the leak."""
    assert soak.code == 0, soak.stdout + soak.stderr
    assert "old: LEAK: " in soak.stdout
    assert "new: NO LEAK: " in soak.stdout
    assert "new.leak" in soak.stdout
    assert "__main__.KEPT" in soak.stdout


def test_the_image_that_leaks_is_replayed(soak: Soak) -> None:
    """The line is named with its source, which is in the container alone; the injected leak is not replayed."""
    replay = json.loads((soak.directory / "manifest.json").read_text())["replay"]
    assert replay.keys() == {"old"}
    assert replay["old"]["status"] == "done", replay
    first = soak.rows(f"old/{SITES}")[0]
    assert 13_000 <= float(first["bytes_per_request"]) < 13_500
    assert "KEPT" in first["source"]


def test_the_kernel_ends_the_leak_and_a_new_container_follows(soak: Soak) -> None:
    """Counted in the container's own cgroup, with the peak at the limit; nothing else of the run was killed."""
    kills = [row for row in soak.events("exit") if row["by"] == "kernel"]
    assert kills
    assert {row["arm"] for row in kills} == {"old"}
    [first, *_] = [json.loads(row["detail"]) for row in soak.events("limit") if row["arm"] == "old"]
    assert (first["oom_kills"], first["peak_bytes"]) == (1, LIMIT)
    assert "2" in [row["life"] for row in soak.events("ready") if row["arm"] == "old"]
    assert [row["by"] for row in soak.events("exit") if row["arm"] == "new"] == ["soak"]


def test_a_container_is_read_as_a_process_is(soak: Soak) -> None:
    """From outside, by the probe, and by its cgroup; without gaps but those of the deaths."""
    rows = [row for row in soak.rows("new/samples.csv") if row["phase"] == "load"]
    for column in ("anon_bytes", "cgroup_bytes", "cgroup_shmem_bytes", "live_blocks", "tasks_alive"):
        assert all(row[column] for row in rows), column
    assert {row["life"] for row in rows} == {"1"}
    assert soak.rows("new/census.csv")


def test_what_ran_is_recorded_by_its_id(soak: Soak, engine: Engine) -> None:
    """And the environment by names alone."""
    text = (soak.directory / "manifest.json").read_text()
    manifest = json.loads(text)
    image = engine.image(IMAGE)
    assert isinstance(image, Image)
    assert {arm["build"] for arm in manifest["arms"]} == {image.id}
    assert manifest["limit_mechanism"] == engine.name
    assert "13000" not in text.replace(image.id, "")


def test_nothing_is_left(soak: Soak, engine: Engine) -> None:
    """Neither containers nor files, also beside the profile, where podman's monitor would note a kill."""
    names = engine.call(["ps", "--all", "--format", "{{.Names}}"]).output
    assert f"soakproof-{soak.directory.resolve().name}" not in names
    assert not list(soak.temporary.iterdir())
    of_profile = soak.directory.resolve().parents[2]
    assert sorted(path.name for path in of_profile.iterdir()) == ["images.toml", "runs"]
