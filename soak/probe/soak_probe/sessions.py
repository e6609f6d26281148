"""Counts the aiohttp.ClientSession objects of the process, from the moment aiohttp is imported."""

from __future__ import annotations

from _weakref import ref

from .imports import when_imported

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

AIOHTTP_CLIENT = "aiohttp.client"


class Sessions:
    """The sessions alive, held weakly, whichever thread made them.

    Not a WeakSet: that would compare and hash the sessions, which a subclass may forbid, and cannot be read while
    another thread adds to it. The dict is read and changed by single operations of C.
    """

    def __init__(self) -> None:
        self._alive: dict[int, ref[Any]] = {}
        self._watching = False

    def watch(self) -> None:
        """Count every session made from now on, as soon as the target imports aiohttp."""
        when_imported(AIOHTTP_CLIENT, self.watch_module)

    def watch_module(self, client: ModuleType) -> None:
        """Wrap ``ClientSession.__init__`` of the module, so that subclasses are counted too."""
        from functools import wraps

        session_class = client.ClientSession
        original = session_class.__init__
        alive = self._alive

        def forget(gone: ref[Any]) -> None:
            del alive[id(gone)]

        @wraps(original)
        def __init__(session: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
            original(session, *args, **kwargs)
            entry = ref(session, forget)
            alive[id(entry)] = entry

        session_class.__init__ = __init__
        self._watching = True

    def kept(self) -> dict[int, ref[Any]]:
        """Return the dict itself, which grows with the sessions and holds none of them."""
        return self._alive

    def count(self) -> tuple[int, int] | None:
        """Return how many sessions are alive, and how many of those are not closed; None without aiohttp."""
        if not self._watching:
            return None
        entries = list(self._alive.values())
        return len(entries), sum(_is_open(entry()) for entry in entries)


def _is_open(session: Any) -> bool:
    return session is not None and not session.closed
