"""Who holds it, asked of real processes: planted holders under every Python there is, and the gateway's leaks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from soak.heap.census import take_census
from soak.heap.model import HeapSuspect
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.sampling.probe_client import ProbeClient
from soak.sampling.probe_rows import name_holders
from tests.support.pythons import find_interpreter

from .test_gateway_process import request, serving

pytestmark = pytest.mark.integration

TARGET = Path(__file__).parent / "holders_target.py"
TIMEOUT_S = 30.0
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")

EXPECTED: dict[str, tuple[str, str | None]] = {
    "module": ("builtins.list", "__main__.HISTORY"),
    "key": ("builtins.list", '__main__.TABLES["orders"]["rows"]'),
    "secret key": ("builtins.list", "__main__.TABLES[…]"),
    "attribute": ("builtins.dict", '__main__.SHELVES["first"].cache'),
    "class": ("builtins.list", "__main__.Shelf.labels"),
    "slot": ("builtins.dict", "__main__.FLAT.data"),
    "closure": ("builtins.list", "__main__.READER<closure remembered of read>"),
    "partial": ("builtins.list", "__main__.CALL.args[0]"),
    "tasks": ("builtins.set", "__main__.TASKS"),
    "classes": ("builtins.list", "__main__.CLASSES"),
    "subclasses": ("builtins.dict", None),
    "task": ("builtins.list", "task __main__.worker() local items"),
    "awaited": ("builtins.list", "task __main__.main(): rest() local pages"),
    "thread": ("collections.deque", "thread pump: pump() local backlog"),
}


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private directory for the probe's socket, and the environment that puts the probe into what is started."""
    path = Path(tempfile.mkdtemp(prefix="soak-"))
    monkeypatch.setenv(PROBE_DIRECTORY_VARIABLE, str(path))
    monkeypatch.setenv("PYTHONPATH", str(PROBE_PATH))
    yield path
    shutil.rmtree(path)


def named(sockets: Path, pid: int, suspects: Sequence[HeapSuspect]) -> list[dict[str, Any]]:
    """Ask once, with entries read."""
    probe = ProbeClient(sockets, pid)
    try:
        rows = name_holders(probe, suspects, TIMEOUT_S)
    finally:
        probe.close()
    return [{**row, "entries": json.loads(str(row["entries"])) if row["entries"] else None} for row in rows]


@pytest.mark.parametrize("instant", ["waiting", "running"])
@pytest.mark.parametrize("version", VERSIONS)
def test_planted_holders_are_named(version: str, instant: str, sockets: Path) -> None:
    """Thirteen ways to hold a container, weak references, garbage cycles, and where finished tasks were created.

    Whether the event loop waits at that instant or runs a task changes no name.
    """
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    with subprocess.Popen(
        [python, TARGET, instant],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as target:
        try:
            assert target.stdout is not None
            where: dict[str, int] = json.loads(target.stdout.readline())
            assert where.keys() == EXPECTED.keys()
            containers = [HeapSuspect(where[name], kind, 0) for name, (kind, _path) in EXPECTED.items()]
            rows = named(sockets, target.pid, [*containers, HeapSuspect(0, "__main__.Link", 60)])
        finally:
            target.kill()
    *found, cycles = rows
    paths = {name: row["holder"] for name, row in zip(EXPECTED, found, strict=True)}
    expected = {name: path for name, (_kind, path) in EXPECTED.items()}
    if version != "3.10":  # qualified names are known since 3.11
        expected["closure"] = "__main__.READER<closure remembered of make_reader.read>"
    assert paths == expected
    assert (cycles["address"], cycles["holder"], cycles["entries"]) == (None, None, [{"state": "cycle"}])
    tasks, classes, subclasses = (
        found[list(EXPECTED).index(name)] for name in ("tasks", "classes", "subclasses")
    )
    assert classes["retained_bytes"] > 60 * 900
    assert {entry["type"] for entry in subclasses["entries"]} == {"weakref.ReferenceType"}
    line = 1 + TARGET.read_text().splitlines().index(
        "        TASKS.add(asyncio.get_running_loop().create_task(job()))"
    )
    assert [
        (entry["type"], entry["coroutine"], entry["state"], entry["created"]) for entry in tasks["entries"]
    ] == [("_asyncio.Task", "job", "finished", f"integration/holders_target.py:{line}")] * 3


NEWER = """
import asyncio, builtins, json, sys
def annotated():
    kept = [[0] for _ in range(60)]
    class Annotated:
        field: kept
    return Annotated, id(kept)
async def main():
    global SIGNAL, FROZEN
    SIGNAL = asyncio.get_running_loop().create_future()
    for _ in range(60):  # as asyncio.wait left them up to CPython issue 152569
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        asyncio.future_add_to_awaited_by(SIGNAL, task)
    del task
    gathered = next(thing for thing in gc.get_referents(SIGNAL) if type(thing) is set)
    where = {"annotations": (annotations, "list"), "awaited by": (id(gathered), "set")}
    if hasattr(builtins, "frozendict"):
        FROZEN = frozendict(orders=frozendict((number, [number]) for number in range(60)))
        where["frozen"] = (id(FROZEN["orders"]), "frozendict")
        where["frozen entry"] = (id(FROZEN["orders"][7]), "list")
    del gathered
    print(json.dumps(where), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print("__annotations_cache__" in vars(ANNOTATED), "wave" in sys.modules, flush=True)
import gc
if sys.version_info >= (3, 15):
    exec("lazy import wave")
ANNOTATED, annotations = annotated()
asyncio.run(main())
"""


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "3.14"])
def test_holders_that_came_with_newer_pythons_are_named(version: str, sockets: Path) -> None:
    """What late annotations close over, who awaits a future, a frozendict; nothing is evaluated or imported for it."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    with subprocess.Popen(
        [python, "-c", NEWER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as target:
        try:
            assert target.stdout is not None
            where: dict[str, tuple[int, str]] = json.loads(target.stdout.readline())
            suspects = [HeapSuspect(address, f"builtins.{kind}", 60) for address, kind in where.values()]
            rows = dict(zip(where, named(sockets, target.pid, suspects), strict=True))
            output, _ = target.communicate("\n", timeout=TIMEOUT_S)
        finally:
            target.kill()
    annotate = "annotated.Annotated.__annotate__"
    expected = {
        "annotations": f"__main__.ANNOTATED.__annotate_func__<closure kept of {annotate}>",
        "awaited by": "__main__.SIGNAL.<awaited by>",
    }
    if version >= "3.15":
        expected |= {
            "frozen": '__main__.FROZEN["orders"]',
            "frozen entry": '__main__.FROZEN["orders"][7]',
        }
        assert rows["frozen"]["entries"][0]["type"] == "builtins.list"
    assert {name: row["holder"] for name, row in rows.items()} == expected
    assert [entry["state"] for entry in rows["awaited by"]["entries"]] == ["finished"] * 3
    assert output == "False False\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_collection_ends_after_holders_were_named(version: str, sockets: Path) -> None:
    """Iterators that asyncio keeps for another use are left alone: Python 3.12.1 would free them a second time."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    code = """
import asyncio, gc, sys
async def main():
    await asyncio.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.collect()
    print("collected", flush=True)
asyncio.run(main())
"""
    with subprocess.Popen(
        [python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as target:
        try:
            assert target.stdout is not None
            assert target.stdout.readline() == "ready\n"
            named(sockets, target.pid, [HeapSuspect(0, "builtins.str", 10_000)])
            output, _ = target.communicate("\n", timeout=TIMEOUT_S)
        finally:
            target.kill()
    assert output == "collected\n"


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "3.12"])
def test_tasks_that_ended_before_they_were_suspended_are_finished(version: str, sockets: Path) -> None:
    """An eager task has no coroutine then; ``get_coro()`` of such a one ends a Python 3.12.1, so it is not asked."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    code = """
import asyncio, sys
async def job(): pass
async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    global TASKS
    TASKS = [asyncio.create_task(job()) for _ in range(50)]
    print(id(TASKS), flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
    with subprocess.Popen(
        [python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as target:
        try:
            assert target.stdout is not None
            address = int(target.stdout.readline())
            (row,) = named(sockets, target.pid, [HeapSuspect(address, "builtins.list", 50)])
        finally:
            target.kill()
    assert row["holder"] == "__main__.TASKS"
    assert [(entry["type"], entry["state"]) for entry in row["entries"]] == [
        ("_asyncio.Task", "finished")
    ] * 3


def test_the_four_leaks_of_the_gateway_are_named(sockets: Path, tmp_path: Path) -> None:
    """Containers that grow between two censuses of the leaky gateway lead to its four attributes, most bytes first."""
    with serving("leaky", tmp_path) as gateway:
        lengths: list[dict[tuple[int, str], int]] = []
        for load in range(2):
            drive(gateway.port, range(load * 300, load * 300 + 300))
            census = take_census(gateway.process.pid, containers_over=20)
            lengths.append({(found.address, found.type): found.length for found in census.containers})
        before, after = lengths
        grown = [
            HeapSuspect(address, kind, length)
            for (address, kind), length in after.items()
            if length > before.get((address, kind), length) + 20
        ]
        time.sleep(1.5)  # the gateway's tasks take a second
        started_s = time.monotonic()
        rows = named(sockets, gateway.process.pid, grown)
        elapsed_s = time.monotonic() - started_s
    rows.sort(key=lambda row: row["retained_bytes"] or 0, reverse=True)
    holder = {str(row["holder"]).rpartition(".")[2]: row for row in rows if ".gateway." in str(row["holder"])}
    assert holder.keys() == {"request_history", "response_cache", "background_tasks", "http_sessions"}
    assert next(iter(holder)) in ("request_history", "http_sessions")
    assert all(str(row["holder"]).endswith(f"app.state.gateway.{name}") for name, row in holder.items())
    assert holder["http_sessions"]["entries"][0]["type"] == "aiohttp.client.ClientSession"
    assert holder["background_tasks"]["entries"][0]["coroutine"] == "LeakyGateway.process_async"
    assert holder["background_tasks"]["entries"][0]["created"].startswith("variants/leaky.py:")
    assert elapsed_s < 10


def drive(port: int, numbers: range) -> None:
    """Send one request per number, each to a service of its own."""

    def send(number: int) -> None:
        body = json.dumps({"n": number, "text": "x" * 2_000}).encode()
        assert request(port, "POST", f"/api/orders-{number % 1000:03d}", body)[0] == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, numbers))
