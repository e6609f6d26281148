"""What the C state of Python itself holds: no list of the collector shows that, and no native code has lost it."""

from __future__ import annotations

import sys
import types
from itertools import groupby
from typing import Any

from .objects import attribute_of, is_a, is_static, items_of, type_name
from .paths import CUT, MOST_DIGITS, write_steps
from .roots import MOST_FRAMES_ASKED_FOR
from .variables import innermost_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAME = 80
HELD_FOR_EACH_FRAME = 2
"""What runs, and an exception that it handles."""
HELD_ANYWAY = 200
"""Handlers of signals, functions that trace or profile threads, and the like."""

_CONTEXTS = ("_contextvars.Context", "builtins.Context")
"""The second one is the name in Python 3.9."""

_ON_A_STACK = (
    BaseException, types.TracebackType, types.FrameType,
    types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType,
)  # fmt: skip
"""An exception that is handled, with what it has, and what runs."""


def is_context(thing: Any) -> bool:
    """Return whether it is a context of context variables, which a thread holds while it runs in it."""
    return is_static(type(thing)) and type_name(type(thing)) in _CONTEXTS


def write_context_path(context: Any, chain: Sequence[Any]) -> str:
    """Return the path from the variable of a context that has one of ``chain`` to the end of it; empty without one."""
    for variable, value in type(context).items(context):
        place = next((place for place, thing in enumerate(chain) if thing is value), None)
        if place is not None:
            return f"context variable {_name_of(variable)}{write_steps(chain[place:])}"
    return ""


def may_be_held_by_python(thing: Any) -> bool:
    """Return whether the interpreter may have a reference to the object that nobody lists.

    What can be called may be registered (``atexit``, a signal, a fork, an audit hook, a codec), and lists and dicts are
    the tables of what is. A class can be called, but is not what one registers there. A tuple that C still fills is on
    the stack of what fills it.
    """
    if type(thing) is tuple and sum(1 for _ in items_of(thing)) < len(thing):
        return True
    if _is_registered(thing) or is_context(thing) or any(is_a(thing, base) for base in _ON_A_STACK):
        return True
    if type(thing) is list:
        return bool(thing) and _is_registered(thing[0])
    return type(thing) is dict and _is_registered(next(iter(thing.values()), None))


def most_held_by_python() -> float:
    """Return an upper bound of how many objects may be held so, the tables aside; infinite where it is not known."""
    frames, registered = innermost_frames(), 0
    if frames is None:
        return float("inf")
    count = attribute_of(sys.modules.get("atexit"), "_ncallbacks")
    if type(count) is types.BuiltinFunctionType:
        registered = count()
    elif "atexit" in sys.modules:
        return float("inf")
    running = 0
    for innermost in frames.values():
        frame: types.FrameType | None = innermost
        while frame is not None:
            running += 1
            if running > MOST_FRAMES_ASKED_FOR:
                return float("inf")
            frame = frame.f_back
    return registered + HELD_FOR_EACH_FRAME * running + HELD_ANYWAY


def _is_registered(thing: Any) -> bool:
    """Return whether it can be called, or is a tuple that begins with what can: with its arguments, or of a codec."""
    if is_a(thing, tuple):
        thing = next(items_of(thing), None)
    return callable(thing) and not is_a(thing, type)


def _name_of(variable: Any) -> str:
    """Return the name of a context variable; without its digits where these are an address, as of werkzeug's."""
    name = attribute_of(variable, "name")
    if type(name) is not str or len(name) > LONGEST_NAME or not name.isprintable():
        return CUT
    if sum(map(str.isdigit, name)) <= MOST_DIGITS:
        return name
    return "".join(CUT if are_digits else "".join(run) for are_digits, run in groupby(name, str.isdigit))
