"""Writes a chain of references as a person would: ``shop.app.state.cache["orders"]``."""

from __future__ import annotations

import types
from collections import deque
from typing import Any

from .asyncio_objects import frames_of, function_name, is_done, is_future
from .objects import attributes_of, is_a, mapping_of, members_of, mro_of, names_of, type_name
from .variables import locals_of, may_be_traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .roots import Root

LONGEST_KEY = 40
MOST_DIGITS = 4
"""More in a key look like an identity or a secret."""

UNNAMED_KEY = "[…]"

SHOWN_STEPS = 20
"""References at each end of a chain that are written: to look at one of a linked list may make it a ``__dict__``."""
LONGEST_PATH = 2_000
"""Characters; a reader takes no more than twice as many."""
CUT = "…"


def write_path(root: Root, chain: Sequence[Any]) -> str:
    """Return the path of a chain that begins with the names of ``root``; of a long one both ends."""
    if len(chain) == 1:
        return _bounded(root.label)
    key = _key_of(root.names, chain[1])
    first = key if type(key) is str else CUT
    return _bounded(f"{root.label}{'.' if root.is_module else ' local '}{first}{write_steps(chain[1:])}")


def write_steps(chain: Sequence[Any]) -> str:
    """Return how the first object of a chain leads to the last; what is far from both is not looked at."""
    if len(chain) <= 2 * SHOWN_STEPS + 1:
        return _written(chain, len(chain) - 1)
    begin = len(chain) - 1 - SHOWN_STEPS
    if type(chain[begin]) is dict:
        begin -= 1  # it may be the attributes of that
    return f"{_written(chain, SHOWN_STEPS)}{CUT}{_written(chain[begin:], len(chain) - 1 - begin)}"


def _written(chain: Sequence[Any], end: int) -> str:
    """Return how the first object of a chain leads to the one at place ``end``, or to one of the next two."""
    text, place = "", 0
    while place < end:
        step, used = _step(chain[place : place + 4])
        text += step
        place += used
    return text


def _bounded(text: str) -> str:
    """Return a text that is not too long; of any other both ends."""
    half = LONGEST_PATH // 2
    return text if len(text) <= LONGEST_PATH else f"{text[:half]}{CUT}{text[-half:]}"


def type_word(thing: Any) -> str:
    """Return the bare name of its type."""
    return str(type.__dict__["__name__"].__get__(type(thing)))


def _step(chain: Sequence[Any]) -> tuple[str, int]:
    """Return what to write for the next references, and how many they are."""
    holder, child, *further = chain
    attributes = attributes_of(holder)
    if attributes is not None:
        if child is attributes:
            return _attribute(attributes, holder, further, 2) if further else (".__dict__", 1)
        step, used = _attribute(attributes, holder, [child, *further], 1)
        if step:
            return step, used
    if (
        type(holder) is types.FunctionType
        and type(child) is tuple
        and child is holder.__closure__
        and further
    ):
        number = _number_of(child, further[0])
        if number is not None:
            step = f"<closure {holder.__code__.co_freevars[number]} of {function_name(holder.__code__)[:-2]}>"
            return step, min(3, len(chain) - 1)
    if is_a(holder, type) and type(child) is dict and further:
        name = _key_of(names_of(holder), further[0])
        if type(name) is str:
            return f".{name}", 2
    return _entry(holder, child) or _variable(holder, child) or _member(
        holder, child
    ) or f"<{type_word(child)}>", 1


def _attribute(attributes: dict[Any, Any], holder: Any, further: Sequence[Any], used: int) -> tuple[str, int]:
    name = _key_of(attributes, further[0])
    if type(name) is not str:
        return "", used
    if name == "_state" and _is_state(holder) and type(further[0]) is dict and len(further) > 1:
        inner = _key_of(further[0], further[1])
        if type(inner) is str:
            return f".{inner}", used + 1
    return f".{name}", used


def _is_state(thing: Any) -> bool:
    """Return whether it is the object of Starlette whose attributes are the entries of its ``_state``."""
    return any(type_name(base) == "starlette.datastructures.State" for base in mro_of(type(thing)))


def _entry(holder: Any, child: Any) -> str:
    if mapping_of(holder) is not None:
        key = _key_of(holder, child)
        return "" if key is _MISSING else _key_text(key)
    number = None
    if is_a(holder, list):
        number = _number_of(list.__iter__(holder), child)
    elif is_a(holder, tuple):
        number = _number_of(tuple.__iter__(holder), child)
    elif is_a(holder, deque):
        number = _number_of(deque.__iter__(holder), child)
    elif is_a(holder, set) or is_a(holder, frozenset):
        return "{…}"
    return "" if number is None else f"[{number}]"


def _variable(holder: Any, child: Any) -> str:
    frames: Iterable[types.FrameType] = (
        [holder] if type(holder) is types.FrameType else list(frames_of(holder))[:1]
    )
    for frame in frames:
        name = _MISSING if may_be_traced(frame) else _key_of(locals_of(frame), child)
        if type(name) is str:
            return f"<{function_name(frame.f_code)} local {name}>"
    return ""


def _member(holder: Any, child: Any) -> str:
    if type(child) is set and is_future(holder) and not is_done(holder):
        return ".<awaited by>"  # the only set of a future of C that has no result; its getter makes a copy
    return next((f".{name}" for name, value in members_of(holder) if value is child), "")


_MISSING = object()


def _key_of(entries: Any, value: Any) -> Any:
    """Return the key under which a mapping or a class has ``value``, ``_MISSING`` where it is none of the values."""
    mapping = mapping_of(entries)
    pairs = entries.items() if mapping is None else mapping.items(entries)
    try:
        return next((key for key, held in pairs if held is value), _MISSING)
    except RuntimeError:  # it was changed meanwhile
        return _MISSING


def _key_text(key: Any) -> str:
    if type(key) is int:
        text = str(key) if abs(key) < 10**MOST_DIGITS else ""
    elif type(key) is str and len(key) <= LONGEST_KEY and key.isidentifier():
        text = f'"{key}"' if sum(map(str.isdigit, key)) <= MOST_DIGITS else ""
    else:
        text = ""
    return f"[{text}]" if text else UNNAMED_KEY


def _number_of(items: Iterable[Any], child: Any) -> int | None:
    try:
        return next((number for number, item in enumerate(items) if item is child), None)
    except RuntimeError:  # it was changed meanwhile
        return None
