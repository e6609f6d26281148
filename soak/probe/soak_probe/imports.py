"""Hands modules over as soon as the target imports them, without importing any."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def when_imported(name: str, on_import: Callable[[ModuleType], None]) -> None:
    """Call ``on_import`` with the module ``name``: now, or once the target imports it."""
    module = sys.modules.get(name)
    if module is None:
        sys.meta_path.insert(0, ModuleFinder(name, on_import))
    else:
        on_import(module)


class ModuleFinder:
    """A meta path finder that hands one module to ``on_import`` once it is imported, and then leaves.

    It finds nothing itself: the finders behind it do, and the loader they return stays the module's loader.
    """

    def __init__(self, name: str, on_import: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._on_import = on_import

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the next finder of the module returns; None for any other module, and where something wrapped us.

        A finder may lack find_spec, as that of six before 1.16: Python passes over it.
        """
        finders = list(sys.meta_path)
        if name != self._name or self not in finders:
            return None
        for finder in finders[finders.index(self) + 1 :]:
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find_spec is None else find_spec(name, path, target)
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
            pass  # a loader of another kind: the target imports as ever, and the module is not handed over

    def _run_and_leave(
        self, loader: Any, run_module: Callable[[ModuleType], None], module: ModuleType
    ) -> None:
        del loader.exec_module
        run_module(module)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            try:
                self._on_import(module)
            except Exception:  # noqa: BLE001, S110 - an unknown version of the module: its readings stay empty
                pass
