from __future__ import annotations

import marshal
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from analysis.sites.naming import Kind, Namer
from analysis.sites.regression import GrowingGroup, find_sites
from analysis.sites.sources import Sources
from analysis.sites.traces import Group, read_groups
from soak.contract import traces_file
from soak.errors import HarnessError
from tests.support.pythons import find_interpreter
from tests.support.traced_programs import traced

FRAMES = (("/srv/app.py", 12), ("/srv/main.py", 3))
NAMER = Namer(Sources(None))

LEAKING_DICT = """
    seen = {}

    async def answer(number):
        key = f"key {number:09}"
        seen[key] = bytes(200)
"""
BOUNDED_CACHE = """
    cache = {}

    async def answer(number):
        cache[number % 40] = bytes(100 + number % 7)
        return [object() for _ in range(20)]
"""
HEALTHY = """
    import json

    async def answer(number):
        return json.loads(json.dumps({"number": number, "text": "x" * 300}))
"""
TASKS = """
    import asyncio

    waiting = set()

    async def wait_for_ever(number):
        note = bytes(300)
        await asyncio.get_running_loop().create_future()

    async def answer(number):
        waiting.add(asyncio.create_task(wait_for_ever(number)))
        await asyncio.sleep(0)
"""


def sites_of(groups: tuple[Group, ...], points: int = 6, each: int = 100) -> tuple[GrowingGroup, ...]:
    return find_sites(groups, each * np.arange(1.0, points + 1), {}, None)


def lines(sites: tuple[GrowingGroup, ...]) -> set[int]:
    return {site.group.name.yours[1] for site in sites if site.group.name.yours}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"])
def test_a_leaking_dict_is_found_at_its_lines(version: str, tmp_path: Path) -> None:
    """Keys of 62 B and values of 233 B, 1.00 block each, at the two lines that make them; nothing else grows."""
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    sites = sites_of(traced(tmp_path, LEAKING_DICT, python=python))
    assert lines(sites) == {5, 6}
    value, key = sites
    assert key.bytes_per_request == pytest.approx(54 + 8, abs=8)
    assert value.low is not None
    assert 233 <= value.low <= value.bytes_per_request < 233 + 150  # with the dict's table
    assert [site.blocks_per_request for site in sites] == pytest.approx([1.0, 1.0], abs=0.01)


@pytest.mark.parametrize("app", [BOUNDED_CACHE, HEALTHY])
def test_a_healthy_program_has_no_site(app: str, tmp_path: Path) -> None:
    """A bounded cache that turns over, and what is made and freed, are no site."""
    assert sites_of(traced(tmp_path, app)) == ()


def test_tasks_that_never_end_are_found_where_they_are_made(tmp_path: Path) -> None:
    """What they hold is found at their own lines, whose root is the coroutine, and they at the line that makes them."""
    sites = sites_of(traced(tmp_path, TASKS))
    assert lines(sites) == {7, 8, 11}
    (note,) = (site for site in sites if lines((site,)) == {7})
    assert note.group.name.root == note.group.name.yours
    assert note.bytes_per_request == pytest.approx(333, abs=1)


def put(raw: Path, point: int, content: Any, process: int = 0) -> None:
    traces_file(raw, point, process).write_bytes(
        content if isinstance(content, bytes) else marshal.dumps(content)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no marshal at all",
        marshal.dumps([(0, 5, FRAMES, 2)] * 100)[:-7],
        b"[\xff\xff\xff\x7f",
        b"(" + b"\xff\xff\xff\x7f" * 9,
        b"[\x01\x00\x00\x00" * 3_000,
        {"no": "list"},
        [1, 2, 3],
        [(0, 5)],
        [(0, "five", FRAMES, 2)],
        [(0, -1, FRAMES, 2)],
        [(0, 1 << 70, FRAMES, 2)],
        [(0, 5, "frames", 2)],
        [(0, 5, (("/srv/app.py", "12"),), 2)],
        [(0, 5, (("/srv/app.py", -12),), 2)],
        [(0, 5, ((b"/srv/app.py", 12),), 2)],
        [(0, 5, (12,), 2)],
        [(0, 5, [("/srv/app.py", 12)], 2)],
        [(0, 5, (("x" * 5_000, 12),), 2)],
        [(0, 5, FRAMES * 500, 2)],
        [(0, True, FRAMES, 2)],
        marshal.dumps(compile("import os; os.abort()", "evil", "exec")),
    ],
    ids=range(22),
)  # fmt: skip
def test_what_no_probe_writes_is_refused_with_a_reason(content: Any, tmp_path: Path) -> None:
    """Damage, huge lengths, deep nesting and every other shape is one sentence with the file's name."""
    put(tmp_path, 0, [(0, 5, FRAMES, 2)])
    put(tmp_path, 1, content)
    with pytest.raises(
        HarnessError, match=r"^point-1\.0\.traces: not as the probe writes it|reading it takes"
    ):
        read_groups(tmp_path, [0, 1], NAMER)


def test_reading_takes_at_most_half_of_the_available_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the file is; the reason names that. A small file is read with as little."""
    available = SimpleNamespace(available=64 << 20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    put(tmp_path, 0, [(0, 5, FRAMES, 2)])
    assert read_groups(tmp_path, [0], NAMER)
    count = 16 << 20
    put(tmp_path, 1, b"[" + count.to_bytes(4, "little") + b"N" * count)
    with pytest.raises(HarnessError, match=r"point-1\.0\.traces: .* half of what was available, 32 MiB"):
        read_groups(tmp_path, [0, 1], NAMER)


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO never makes the reader wait, and a link is not followed."""
    os.mkfifo(traces_file(tmp_path, 0, 0))
    with pytest.raises(HarnessError, match="it is a FIFO, not a regular file"):
        read_groups(tmp_path, [0], NAMER)
    traces_file(tmp_path, 0, 0).unlink()
    put(tmp_path, 1, [])
    traces_file(tmp_path, 0, 0).symlink_to(traces_file(tmp_path, 1, 0))
    with pytest.raises(HarnessError, match="it is a link"):
        read_groups(tmp_path, [0], NAMER)


def test_only_processes_that_lived_through_all_points_count(tmp_path: Path) -> None:
    """A worker that came later, or died, is left out; of those that stayed blocks add up, and so do largest blocks."""
    for point in (0, 1):
        put(tmp_path, point, [(0, 5, FRAMES, 2), (0, 7 + point, FRAMES, 2)])
        put(tmp_path, point, [(0, 3, FRAMES, 2)], process=2)
    put(tmp_path, 1, [(0, 100, FRAMES, 2)], process=1)
    (group,) = read_groups(tmp_path, [0, 1], NAMER)
    assert group.name.yours == FRAMES[0]
    assert (group.bytes.tolist(), group.blocks.tolist()) == ([15, 16], [3, 3])
    assert group.largest.tolist() == [10, 11]
    with pytest.raises(HarnessError, match="no process of the arm left its traces at every point"):
        read_groups(tmp_path, [0, 1, 2], NAMER)


def test_traces_are_grouped_by_your_line_and_the_package_line(tmp_path: Path) -> None:
    """Tracebacks with the same two lines are one group, which has the traceback with the most bytes at the end."""
    package = ("/v/lib/python3.12/site-packages/pack/inner.py", 9)
    first, second = ((package, ("/srv/app.py", 3), ("/srv/b.py", line)) for line in (1, 2))
    other = (("/usr/lib/python3.12/json/decoder.py", 353), ("/srv/app.py", 3))
    put(tmp_path, 0, [(0, 10, first, 3), (0, 5, second, 3), (0, 1, other, 2)])
    put(tmp_path, 1, [(0, 10, first, 3), (0, 50, second, 3)])
    groups = read_groups(tmp_path, [0, 1], NAMER)
    assert [(group.name.package, group.bytes.tolist()) for group in groups] == [
        (package, [15, 60]),
        (None, [1, 0]),
    ]
    assert groups[0].frames == second


def test_a_group_is_of_the_task_of_its_largest_traceback(tmp_path: Path) -> None:
    """One line may be reached from several coroutines: the task that is named is the one whose frames are shown."""
    step = "/usr/lib/python3.12/asyncio/base_events.py"
    inner = ("/srv/app.py", 3)
    small, large = ((inner, ("/srv/app.py", line), (step, 1)) for line in (20, 9))
    namer = Namer(Sources(None))
    namer._kinds[step, 1] = Kind.LOOP
    put(tmp_path, 0, [(0, 10, small, 3), (0, 5, large, 3)])
    put(tmp_path, 1, [(0, 10, small, 3), (0, 500, large, 3)])
    [group] = read_groups(tmp_path, [0, 1], namer)
    assert group.frames == large
    assert group.name.root == ("/srv/app.py", 9)
