"""Counts the aiohttp.ClientSession objects of the process, from the moment aiohttp is imported."""

from __future__ import annotations

import sys
from _weakref import ref

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
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
        client = sys.modules.get(AIOHTTP_CLIENT)
        if client is None:
            sys.meta_path.insert(0, AiohttpFinder(self.watch_module))
        else:
            self.watch_module(client)

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

    def count(self) -> tuple[int, int] | None:
        """Return how many sessions are alive, and how many of those are not closed; None without aiohttp."""
        if not self._watching:
            return None
        entries = list(self._alive.values())
        return len(entries), sum(_is_open(entry()) for entry in entries)


def _is_open(session: Any) -> bool:
    return session is not None and not session.closed


class AiohttpFinder:
    """A meta path finder that hands ``aiohttp.client`` to ``on_import`` once it is imported, and then leaves.

    It finds nothing itself: the finders behind it do, and the loader they return stays the module's loader.
    """

    def __init__(self, on_import: Callable[[ModuleType], None]) -> None:
        self._on_import = on_import

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the next finder that knows the module returns; None for any other module."""
        if name != AIOHTTP_CLIENT:
            return None
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        """Have this one loader call us after it has run the module."""
        try:
            run_module = loader.exec_module
            loader.exec_module = lambda module: self._run_and_leave(loader, run_module, module)
        except AttributeError:
            pass  # a loader of another kind: the target imports as ever, and its sessions are not counted

    def _run_and_leave(
        self, loader: Any, run_module: Callable[[ModuleType], None], module: ModuleType
    ) -> None:
        del loader.exec_module
        run_module(module)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            try:
                self._on_import(module)
            except Exception:  # noqa: BLE001, S110 - not the aiohttp we know: its sessions are not counted
                pass
