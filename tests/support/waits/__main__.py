"""Set up every kind of wait in one event loop and print, as JSON, the stuck tasks of each kind.

python -m tests.support.waits [c|python|eager|uvloop] [KIND ...]
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import sys
from collections import Counter
from typing import Any

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe.standstill import standstill, undisturbed
from soak_probe.stuck.prove import ATTEMPTS, find_waits

from tests.support.waits import (
    kinds,
    legitimate,
    legitimate_cancels,
    legitimate_kept,
    legitimate_outside,
    lost,
)

TABLES = (legitimate, legitimate_cancels, legitimate_kept, legitimate_outside, lost)
for package in ("anyio", "aiohttp"):
    if importlib.util.find_spec(package):
        importlib.import_module(f"tests.support.waits.with_{package}")
names: dict[int, str] = {}
"""The kind of each task, by its address."""


def factory(mode: str) -> Any:
    """Return a task factory that notes the kind of each task."""

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        cls: Any = asyncio.tasks._PyTask if mode == "python" else asyncio.Task  # type: ignore[attr-defined]
        if mode == "eager":
            options.setdefault("eager_start", True)
        task = cls(coroutine, loop=loop, **options)
        names[id(task)] = kinds.KIND.get()
        return task

    return make


def _use_python_tasks() -> None:
    """Have asyncio use its functions in Python, which alone know tasks of its class in Python."""
    for name in [name for name in vars(asyncio.tasks) if name.startswith("_py_")]:
        setattr(asyncio.tasks, name[4:], getattr(asyncio.tasks, name))


async def set_up(mode: str, chosen: list[str]) -> None:
    """Set up the kinds, each several times; nothing of them stays in a variable of the caller."""
    loop: Any = asyncio.get_running_loop()
    loop.set_task_factory(factory(mode))
    if mode == "python":
        _use_python_tasks()
        loop.create_future = lambda: asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]
    table = {**kinds.LEGITIMATE, **{name: kind for name, (kind, _) in kinds.LOST.items()}}
    for name, kind in table.items():
        if not chosen or name in chosen:
            kinds.KIND.set(name)
            for _ in range(kinds.COPIES):
                await kind()
    kinds.KIND.set("")
    await asyncio.sleep(0.05)
    await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(50)))  # leaves iterators in a free list of C


def find(found: dict[str, Any]) -> None:
    """Find the stuck tasks, as the probe does in its own thread."""
    stuck: Counter[str] = Counter()
    pending: Counter[str] = Counter()

    def look() -> None:
        stuck.clear()
        pending.clear()
        waits = find_waits({id(names), id(vars())}, lambda: None)
        pending.update(names.get(id(wait.task), "") for wait in waits)
        stuck.update(names.get(id(wait.task), "") for wait in waits if not wait.released)

    for _ in range(ATTEMPTS):
        with standstill(5.0):
            _, found["quiet"] = undisturbed(look)
        if found["quiet"]:
            break
    if sys.version_info[:2] == (3, 12):
        find_waits(
            set(), lambda: None
        )  # asked twice, its module _asyncio would leave the collector without an end
    gc.collect()
    found.update(stuck=dict(stuck), pending=dict(pending))


async def main(mode: str, chosen: list[str]) -> dict[str, Any]:
    """Return the stuck and the pending tasks by their kind."""
    await set_up(mode, chosen)
    found: dict[str, Any] = {}
    await asyncio.to_thread(find, found)
    for close in kinds.closers:
        close()
    return found


if __name__ == "__main__":
    mode, *chosen = sys.argv[1:] or ["c"]
    if mode == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    answer = loop.run_until_complete(main(mode, chosen))
    answer["expected"] = {name: count * kinds.COPIES for name, (_, count) in kinds.LOST.items()}
    answer["legitimate"] = list(kinds.LEGITIMATE)
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # what still waits is no error
