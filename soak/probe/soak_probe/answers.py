"""What the probe answers: one method of ``Answers`` per op."""

from __future__ import annotations

import gc
import json
import os
import time
from typing import Any, TypeVar

from . import allocators, tasks
from .gauges import REGISTERED, read_all
from .looplag import LoopLag
from .standstill import collect_as_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .native import Native
    from .sessions import Sessions
    from .tracing import Tracing

INJECT_VARIABLE = "SOAK_PROBE_INJECT"
"""Environment variable without which the op ``inject`` does not exist."""

Figure = TypeVar("Figure")


class Answers:
    """Answers the requests to this process.

    Only ``collect``, ``trim``, ``who``, ``stuck`` and exact samples pause it.
    """

    def __init__(self, sessions: Sessions, tracing: Tracing | Native | None = None) -> None:
        """``tracing`` is that of a replay: then it alone is answered about."""
        self._sessions = sessions
        self._loop_lag = LoopLag()
        self._pending = tasks.Pending()
        self._ops: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "sample": self.sample,
            "collect": self.collect,
            "trim": self.trim,
            "who": self.who,
            "stuck": self.stuck,
        }
        if tracing is not None:
            self._ops = tracing.ops
        elif os.environ.get(INJECT_VARIABLE):  # only in the arm that is the control
            from .injection import Injection

            self._ops["inject"] = Injection().inject

    def answer(self, line: bytes) -> bytes:
        """Return the answer to one request, a line for a line; whatever is wrong becomes ``ok``: false."""
        try:
            return _line({"ok": True, **self._obey(json.loads(line))})
        except ValueError as error:
            return _line({"ok": False, "error": str(error)})
        except BaseException as error:  # noqa: BLE001 - the answer states any error, and the thread goes on
            return _line({"ok": False, "error": f"{type(error).__name__}: {error}"})

    def _obey(self, request: Any) -> dict[str, Any]:
        op = request.get("op") if isinstance(request, dict) else None
        if op not in self._ops:
            raise ValueError(f"op {op!r} is not one of {', '.join(self._ops)}")
        return self._ops[op](request)

    def sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read all figures, named as in a recording; one that cannot be had here is null.

        ``problems`` has the reason for a figure that was read and cannot be true, by what was asked.
        ``"exact": true`` counts finished tasks exactly at any size: a pause, for an idle target.
        ``"heap": false`` leaves out the figures of the allocators, which take 16 ms for each GiB of Python objects, in
        which the interpreter stands still; ``heap_s`` is the processor time that they took.
        """
        generations = gc.get_stats()
        began_s = time.thread_time()
        heap, problems = ({}, {}) if request.get("heap") is False else allocators.figures()
        heap_s = time.thread_time() - began_s
        found = tasks.find(request.get("exact") is True, self._pending)
        sessions_alive, sessions_open = _or_null(self._sessions.count) or (None, None)
        gauges, gauge_errors = read_all(REGISTERED)
        return {
            "allocator": allocators.ALLOCATOR,
            **dict.fromkeys(allocators.FIGURES),
            **heap,
            "heap_s": heap_s,
            "gc_gen2_collections": generations[-1]["collections"],
            "gc_collected": sum(generation["collected"] for generation in generations),
            "gc_uncollectable": sum(generation["uncollectable"] for generation in generations),
            "tasks_alive": found.alive,
            "tasks_finished": _or_null(lambda: tasks.finished(found)),
            "sessions_alive": sessions_alive,
            "sessions_open": sessions_open,
            "loop_lag_ms": _or_null(lambda: self._loop_lag.read_ms(found.seen)),
            "gauges": gauges,
            "gauge_errors": gauge_errors,
            "problems": problems,
        }

    def collect(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a full collection.

        With ``"if_enabled": true`` a process that collects none by itself is left alone: there cycles are kept, and a
        leak.
        """
        return {"freed": collect_as_target() if request.get("if_enabled") is True else gc.collect()}

    def trim(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Have malloc give its free memory back to the system; null where it cannot be asked to."""
        return {"trimmed": allocators.trim()}

    def who(self, request: dict[str, Any]) -> dict[str, Any]:
        """Name what holds each of ``suspects``, within ``budget_s``; see ``holders.who``.

        The target is slowed down meanwhile, and stands still for a pass over all objects where a way has to be found
        back.
        """
        from .holders.who import parse, who

        return who(*parse(request), hidden=[self._sessions, self._sessions.kept()])

    def stuck(self, request: dict[str, Any]) -> dict[str, Any]:
        """Prove which pending tasks nothing can wake, within ``budget_s`` and ``room_bytes``; see ``stuck.prove``.

        The target stands still meanwhile. Afterwards malloc gives back the memory that this took.
        """
        from .stuck.prove import parse, prove

        answer = prove(parse(request), hidden=[self._sessions, self._sessions.kept()])
        allocators.trim()
        return answer


def _line(body: dict[str, Any]) -> bytes:
    # a name in the target may have half of a surrogate pair, which is no text
    return json.dumps(body, ensure_ascii=False).encode(errors="replace") + b"\n"


def _or_null(read: Callable[[], Figure | None]) -> Figure | None:
    try:
        return read()
    except BaseException:  # noqa: BLE001 - tasks, sessions and loops are the target's and may raise anything
        return None
