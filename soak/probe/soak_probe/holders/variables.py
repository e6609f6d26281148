"""The local variables of functions, read without a change to what the functions themselves have of them."""

from __future__ import annotations

import sys
import types
from typing import Any

from .objects import attribute_of

_FRAMES_KEEP_LOCALS = sys.version_info < (3, 13)
_GIVE_LOCALS = frozenset(
    ("locals", "vars", "eval", "exec", "f_locals", "_getframe", "currentframe", "getargvalues")
)
"""Names by which a function comes to the dict of its own variables, or to its frame; ``dir`` gives a list."""
_OWN_LOCALS = frozenset(("locals", "vars", "eval", "exec"))
"""Those of them that are functions of Python; as an attribute each may be anything."""
_OF_INTERPRETERS = ("_interpreters", "_xxsubinterpreters")
"""The modules of C that make other interpreters: of Python 3.13 and later, and of 3.12."""
_IS_OPTIMIZED = 1 << 0
_HAS_VARARGS = 1 << 2
"""CO_OPTIMIZED and CO_VARARGS of CPython's code.h."""


class LeftAlone(dict):  # type: ignore[type-arg]
    """No names: those of a frame that was not asked, as that could change data of the target."""


def locals_of(frame: types.FrameType, called: types.FrameType | None = None) -> dict[str, Any]:
    """Return a copy of the local variables of a function's frame; empty for modules and classes.

    Up to Python 3.12 the frame keeps what it was asked for, and so would keep the objects alive: these are taken out
    again, unless something else uses it. A frame whose dict the target may have is LeftAlone. ``called`` is the frame
    of the function that it has called, where it runs; until this returns no other thread may run then.
    """
    if not frame.f_code.co_flags & _IS_OPTIMIZED:  # else these are the names of a module or class themselves
        return {}
    if _has_given_locals(frame) or (called is not None and _traces(called, frame)):
        return LeftAlone()
    found = frame.f_locals
    copied = dict(found)
    # Three references: the frame's, ours, and that of the question.
    if type(found) is dict and sys.getrefcount(found) <= 3:
        code = frame.f_code
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            found.pop(name, None)
    return copied


def _has_given_locals(frame: types.FrameType) -> bool:
    """Return whether the function, or a debugger, may use the dict that the frame keeps its variables in.

    Up to Python 3.12 to ask for it fills it anew: names that were taken out of it come back, later ones appear.
    """
    if not _FRAMES_KEEP_LOCALS:
        return False
    if frame.f_trace is not None:
        return True
    module = dict.get(frame.f_globals, "__name__")
    if type(module) is str and module == "runpy":  # ``python -m``: it runs others, with names of their own
        return False
    code = frame.f_code
    names = _GIVE_LOCALS.intersection((*code.co_names, *code.co_freevars))
    return bool(names) and (
        not names <= _OWN_LOCALS or not names.isdisjoint(code.co_freevars) or _calls_own_locals(code)
    )


def innermost_frames() -> dict[int, types.FrameType] | None:
    """Return the innermost frame of each thread, by its number; None where other interpreters are beside this one.

    Since Python 3.12 each may have a lock of its own, and threads that run meanwhile: Python makes objects of the
    frames of these, too, which ends the process.
    """
    if sys.version_info >= (3, 12) and any(map(_lists_others, _OF_INTERPRETERS)):
        return None
    return sys._current_frames()  # noqa: SLF001 - the only way to other threads' frames


def _lists_others(name: str) -> bool:
    list_all = attribute_of(sys.modules.get(name), "list_all")
    return list_all is not None and len(list_all()) > 1


def may_be_traced(frame: types.FrameType) -> bool:
    """Return whether a function runs, so that its thread may begin to trace it while its variables are read."""
    if not _FRAMES_KEEP_LOCALS:
        return False
    frames = innermost_frames()
    if frames is None:
        return True
    for innermost in frames.values():
        outer: types.FrameType | None = innermost
        while outer is not None:
            if outer is frame:
                return True
            outer = outer.f_back
    return False


def _traces(called: types.FrameType, frame: types.FrameType) -> bool:
    """Return whether the function that ``frame`` has called is one of ``sys.setprofile`` or ``sys.settrace``.

    It is called with the frame. When it returns, Python up to 3.12 sets the variables from the dict, and unsets those
    that were taken out of it.
    """
    code = called.f_code
    takes_three = code.co_argcount >= 3 or code.co_flags & _HAS_VARARGS
    if not _FRAMES_KEEP_LOCALS or not takes_three or called.f_back is not frame:
        return False
    names = locals_of(called)
    if type(names) is LeftAlone:
        return True
    values = [*names.values()]
    values += [entry for value in values if type(value) is tuple for entry in value]
    return any(value is frame for value in values)


def _calls_own_locals(code: types.CodeType) -> bool:
    """Return whether one of the built-in functions is used that give a function its own variables.

    ``vars`` of something, which comes next, gives those of that, and a name behind a dot is of something else.
    """
    import dis  # few functions name them, and it takes memory of the target

    before = ""
    for one in dis.get_instructions(code):
        if before and not (before == "vars" and one.opname.startswith("LOAD_")):
            return True
        before = (
            one.argval if one.opname in {"LOAD_GLOBAL", "LOAD_NAME"} and one.argval in _OWN_LOCALS else ""
        )
    return False
