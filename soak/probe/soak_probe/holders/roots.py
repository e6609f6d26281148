"""Where the search for a holder starts: modules, coroutines of pending tasks, frames of threads."""

from __future__ import annotations

import os
import sys
import types
from collections import Counter, deque
from typing import Any, NamedTuple

from .. import tasks
from .asyncio_objects import MOST_FRAMES, codes_of, coroutine_of, frames_of, function_name, is_done
from .objects import attributes_of, is_a
from .variables import LeftAlone, innermost_frames, locals_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

OWN, INSTALLED, STANDARD = range(3)
"""Whose code it is: the target's, of its packages, of Python."""

MOST_TASKS = 1_000
MOST_TASKS_LOOKED_AT = 20_000
MOST_FRAMES_ASKED_FOR = 10_000
CROWD = 20
"""Threads or tasks in one function, or modules of one file, from which on they are what is kept, not who keeps it."""

_LOOP_MODULES = ("asyncio.base_events", "asyncio.events", "selectors")
_LOOP_PACKAGES = ("asyncio", "uvloop")
_COROUTINE_FLAGS = 1 << 7 | 1 << 9
"""CO_COROUTINE and CO_ASYNC_GENERATOR of CPython's code.h."""

_STANDARD_PATH = os.path.dirname(os.__file__) + os.sep
_INSTALLED_PATHS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_PROBE = (__package__ or "soak_probe").partition(".")[0]


class Root(NamedTuple):
    """Names that the program has at hand, and how a path begins that starts there."""

    label: str
    names: dict[str, Any]
    """A module's own names, or a copy of a frame's local variables."""
    is_module: bool
    owner: int
    lasts: bool = True
    """Whether the names are there for as long as the program runs: a module's, or those of the target's own functions
    in the main thread, which call all else."""
    is_late: bool = False
    """Whether the way from elsewhere is better: it is one of a crowd, or the event loop's own."""
    coroutine: int = 0
    """Address of the task's coroutine whose local variables these are; 0 for others."""
    of_cut_stack: bool = False
    """Whether other functions of the same thread were left out, between its outermost and its innermost, or this."""
    is_alike: bool = False
    """Whether other roots have its label: tasks in one function."""


class _Running(NamedTuple):
    """A frame of a task or thread, and its label."""

    label: str
    frame: types.FrameType
    lasts: bool = False
    """Whether it is of the main thread and below every event loop."""
    coroutine: int = 0
    of_cut_stack: bool = False


def find_roots(own_thread: int) -> list[Root]:
    """Return the roots, those of the target's code first; nothing of the probe, and not the thread ``own_thread``.

    Of each owner's, modules with a leading underscore come last: others have their names from these.
    """
    threads = {id(running.frame): running for running in _threads(own_thread)}
    tasks_too = threads | {id(running.frame): running for running in _tasks()}
    roots = [*_modules(), *_of_frames(list(tasks_too.values()), threads.keys())]
    return sorted(
        roots, key=lambda root: (root.owner, root.label.startswith("_") and root.label != "__main__")
    )


def hidden_names() -> list[dict[str, Any]]:
    """Return the names of the probe's own modules: what only they hold is no part of the target."""
    return [vars(module) for name, module in list(sys.modules.items()) if is_of_the_probe(name)]


def registries() -> list[Any]:
    """Return the containers in which Python lists modules and living threads, whoever else holds them."""
    return [sys.modules, *registries_of_threads()]


def registries_of_threads() -> list[Any]:
    """Return the dicts of Python in which a thread is for as long as it runs."""
    known = attributes_of(sys.modules.get("threading")) or {}
    return [known[name] for name in ("_active", "_limbo") if name in known]


def registries_of_tasks() -> list[Any]:
    """Return the containers in which asyncio keeps tasks while they run or wait, whoever else holds them."""
    known = attributes_of(sys.modules.get("asyncio.tasks")) or {}
    names = ("_current_tasks", "_eager_tasks", "_scheduled_tasks", "_all_tasks")
    return [known[name] for name in names if name in known]


def _modules() -> list[Root]:
    """Return each module once, under the name it has for itself; ``__mp_main__`` is another name of ``__main__``."""
    found: dict[int, Root] = {}
    files: dict[int, Any] = {}
    for label, module in list(sys.modules.items()):
        if type(label) is str and is_a(module, types.ModuleType) and not is_of_the_probe(label):
            names = attributes_of(module)
            if names is None:
                continue
            other = found[id(names)].label if id(names) in found else ""
            if other == "__main__" or (other and label not in ("__main__", _text(names.get("__name__")))):
                continue
            file = _text(names.get("__file__"))
            owner = OWN if label == "__main__" else owner_of(file)
            found[id(names)] = Root(label, names, is_module=True, owner=owner)
            # made by hand: without a file, and without the spec that an import leaves
            files[id(names)] = file or (None if names.get("__spec__") is None else label)
    crowds = _crowds(files.values())
    return [root._replace(is_late=files[address] in crowds) for address, root in found.items()]


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _crowds(sorts: Iterable[Any]) -> set[Any]:
    return {sort for sort, count in Counter(sorts).items() if count > CROWD}


def _of_frames(frames: Sequence[_Running], on_stacks: Collection[int]) -> Iterator[Root]:
    """Yield the roots of frames; those ``on_stacks`` of threads, by their addresses, hold what no list shows.

    What a coroutine holds that waits is in the collector's lists, whatever of its variables was read.
    """
    crowds = _crowds(id(running.frame.f_code) for running in frames)
    alike = Counter(running.label for running in frames)
    called = {id(running.frame.f_back): running.frame for running in frames}
    for label, frame, lasts, coroutine, of_cut_stack in frames:
        owner = owner_of(frame.f_code.co_filename)
        late = id(frame.f_code) in crowds or _module(frame) in _LOOP_MODULES
        names = locals_of(frame, called.get(id(frame)))
        cut = of_cut_stack or (type(names) is LeftAlone and id(frame) in on_stacks)
        yield Root(label, names, False, owner, lasts and owner == OWN, late, coroutine, cut, alike[label] > 1)


def _tasks() -> Iterator[_Running]:
    """Yield the frames of at most about ``MOST_TASKS`` pending tasks, first of those of which few wait in one place.

    So a crowd takes no place of others; of one that is not left out there are enough to tell that it is one.
    """
    alike: dict[tuple[int, ...], list[Any]] = {}
    for reference in tasks.find(exact=True).seen[:MOST_TASKS_LOOKED_AT]:
        task = reference()
        if task is None or is_done(task):
            continue
        coroutine = coroutine_of(task)
        same = alike.setdefault(tuple(map(id, codes_of(coroutine))), [])
        if len(same) < MOST_TASKS:
            same.append(coroutine)
    room = MOST_TASKS
    for same in sorted(alike.values(), key=list.__len__):
        if room <= 0:
            return
        taken = same[: max(room, CROWD + 1)]
        room -= len(taken)
        for coroutine in taken:
            yield from _of_task(_awaited(coroutine), id(coroutine))


def _awaited(coroutine: Any) -> list[types.FrameType]:
    """Return the frames of a task's coroutine; of one that runs those of its thread from there on."""
    frames = list(frames_of(coroutine))
    if frames and getattr(coroutine, "cr_running", False):
        for innermost in (innermost_frames() or {}).values():
            stack, _ = _stack(innermost)
            if frames[0] in stack:
                return stack[stack.index(frames[0]) :]
    return frames


def _of_task(frames: Iterable[types.FrameType], coroutine: int = 0) -> Iterator[_Running]:
    """Label the frames of a task, the outermost first, which is that of ``coroutine``."""
    name = ""
    for frame in frames:
        function = function_name(frame.f_code)
        name = name or f"task {_module(frame)}.{function}"
        label = name if name.endswith(f".{function}") else f"{name}: {function}"
        yield _Running(label, frame, False, coroutine)
        coroutine = 0


def _threads(own_thread: int) -> Iterator[_Running]:
    """Yield the frames of the threads; from a coroutine's on they are those of the task that runs there."""
    names, main = _thread_names(), _main_thread()
    innermost = innermost_frames() or {}
    # Our own at once: a frame that has its own name for itself is a circle, and its callers hang on it.
    innermost.pop(own_thread, None)
    for number, frame in innermost.items():
        stack, is_cut = _stack(frame)
        is_in_loop = False
        for place, outer in enumerate(stack):
            if outer.f_code.co_flags & _COROUTINE_FLAGS:
                yield from (one._replace(of_cut_stack=is_cut) for one in _of_task(stack[place:]))
                break
            is_in_loop = is_in_loop or _module(outer).partition(".")[0] in _LOOP_PACKAGES
            label = f"thread {names.get(number, number)}: {function_name(outer.f_code)}"
            yield _Running(label, outer, number == main and not is_in_loop, 0, is_cut)


def _stack(innermost: types.FrameType) -> tuple[list[types.FrameType], bool]:
    """Return the frames of a thread, the outermost first, and whether some between the two ends were left out.

    Of more than ``MOST_FRAMES`` it is half as many at each end: what runs the program is at the outer one. To ask for a
    frame makes an object of it, so of a recursion without end the outer end is not looked for.
    """
    half = MOST_FRAMES // 2
    frame: types.FrameType | None = innermost
    inner: list[types.FrameType] = []
    outer: deque[types.FrameType] = deque(maxlen=half)
    count = 0
    while frame is not None and count < MOST_FRAMES_ASKED_FOR:
        if count < half:
            inner.append(frame)
        else:
            outer.append(frame)
        frame = frame.f_back
        count += 1
    return [*inner, *outer][::-1], count > MOST_FRAMES


def _main_thread() -> int | None:
    known = attributes_of(sys.modules.get("threading")) or {}
    number = (attributes_of(known.get("_main_thread")) or {}).get("_ident")
    return number if type(number) is int else None


def _thread_names() -> dict[int, str]:
    known = attributes_of(sys.modules.get("threading")) or {}
    named: dict[int, str] = {}
    for number, thread in list((known.get("_active") or {}).items()):
        name = (attributes_of(thread) or {}).get("_name")
        if type(name) is str:
            named[number] = name[:40]
    return named


def owner_of(file: str) -> int:
    """Return whose code a file is: OWN, INSTALLED or STANDARD."""
    if any(part in file for part in _INSTALLED_PATHS):
        return INSTALLED
    return OWN if file and not file.startswith((_STANDARD_PATH, "<frozen")) else STANDARD


def _module(frame: types.FrameType) -> str:
    name = _text(dict.get(frame.f_globals, "__name__")) or "?"
    return "__main__" if name == "__mp_main__" else name


def is_of_the_probe(name: Any) -> bool:
    """Return whether a module name is the probe's own."""
    return type(name) is str and (name == _PROBE or name.startswith(f"{_PROBE}."))
