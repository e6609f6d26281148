"""Where tasks are created: the place of a few of them, by the name of their coroutine.

``create_task`` of the event loops is wrapped. Of each coroutine function the first task is looked at, and of all tasks
one in ``ONE_IN``; the others cost a call and a look into a set. Only text is kept, no task and no frame, and weak
references to the loops.
"""

from __future__ import annotations

import os
import sys
from _weakref import ref
from itertools import count
from types import CodeType, CoroutineType, GeneratorType
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType

ONE_IN = 64
MOST_SITES = 512
MOST_FRAMES = 30
MOST_LOOPS = 8
"""Event loops alive up to which their tasks are counted: to list those of one is a walk over those of all."""

_sites: dict[tuple[str, str, int], str] = {}
"""By the coroutine function: file, name and line."""

_met: set[int] = set()
"""Addresses of the code of those functions. One that is freed and used again costs a place that is not known."""

_loops: list[ref[Any]] = []
"""The loops met, up to one more than ``MOST_LOOPS``."""

_ANYIO = f"{os.sep}anyio{os.sep}"
_outside = os.path.dirname(os.__file__) + os.sep


def watch_base_events(module: ModuleType) -> None:
    """Wrap ``create_task`` of asyncio's own loops; one that runs already in this thread is noted."""
    from asyncio.events import _get_running_loop

    _wrap(module.BaseEventLoop)
    running = _get_running_loop()
    if running is not None:
        note_loop(running)


def watch_uvloop(module: ModuleType) -> None:
    """Wrap ``create_task`` of uvloop's, which is a class of Python above one of C."""
    _wrap(module.Loop)


def code_of(coroutine: Any) -> CodeType | None:
    """Return the code of a coroutine; None where it is not one of Python's own."""
    if type(coroutine) is CoroutineType:
        return coroutine.cr_code
    return coroutine.gi_code if type(coroutine) is GeneratorType else None


def site_of(code: CodeType) -> str | None:
    """Return ``package/module.py:57`` where the last of the coroutine function's tasks looked at was created."""
    return _sites.get(_key(code))


def loops() -> list[Any]:
    """Return the event loops met that are alive."""
    return [loop for loop in [known() for known in _loops] if loop is not None]


def note_loop(loop: Any) -> None:
    """Remember an event loop for as long as it is alive."""
    alive = [known for known in _loops if known() is not None]
    if all(known() is not loop for known in alive):
        _loops[:] = [*alive[:MOST_LOOPS], ref(loop)]


def note(coroutine: Any, frame: FrameType | None) -> None:
    """Remember the innermost place outside Python's library and anyio that ``frame`` was called from."""
    code = code_of(coroutine)
    if code is None:
        return
    if len(_met) < MOST_SITES:
        _met.add(id(code))
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        file = frame.f_code.co_filename
        is_library = file.startswith((_outside, "<frozen")) and "site-packages" not in file
        if not is_library and _ANYIO not in file:
            if len(_sites) < MOST_SITES or _key(code) in _sites:
                _sites[_key(code)] = f"{'/'.join(file.split(os.sep)[-2:])}:{frame.f_lineno}"
            return
        frame = frame.f_back


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_name, code.co_firstlineno


def _wrap(loop_class: Any) -> None:
    from functools import wraps

    original = loop_class.create_task
    number, met = count(), _met

    @wraps(original)
    def create_task(self: Any, coro: Any, **options: Any) -> Any:
        is_new = type(coro) is CoroutineType and id(coro.cr_code) not in met and len(met) < MOST_SITES
        if is_new or not next(number) % ONE_IN:
            try:
                note_loop(self)
                note(coro, sys._getframe(1))  # noqa: SLF001 - a traceback would cost a hundred times more
            except Exception:  # noqa: BLE001, S110 - whatever happens, the target gets its task
                pass
        return original(self, coro, **options)

    loop_class.create_task = create_task
