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
    """Call ``on_import`` with the module ``name``: now, or once the target imports it.

    One that is there but of a class of its own may be loaded when it is first used: that is left to the target.
    """
    module = sys.modules.get(name)
    if module is None:
        sys.meta_path.insert(0, ModuleFinder(name, on_import))
    elif type(module) is type(sys):
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
        """Have this one loader call us after it has run the module.

        A class that loads, as that of frozen modules, is followed for nobody: it is that of all of them.
        """
        try:
            run_module = loader.exec_module
            if not issubclass(type(loader), type) and not _is_followed(run_module, self):
                loader.exec_module = _Followed(self, loader, run_module)
        except AttributeError:
            pass  # a loader of another kind: the target imports as ever, and the module is not handed over

    def imported(self, module: ModuleType) -> None:
        """Hand the module over, once, and leave."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            try:
                self._on_import(module)
            except Exception:  # noqa: BLE001, S110 - an unknown version of the module: its readings stay empty
                pass

    def wants(self, module: ModuleType) -> bool:
        """Return whether it is the module that is waited for: one loader may be that of a whole archive."""
        return getattr(getattr(module, "__spec__", None), "name", None) == self._name


class _Followed:
    """The ``exec_module`` of a loader until it has run the module that a finder waits for."""

    def __init__(self, finder: ModuleFinder, loader: Any, run_module: Callable[[ModuleType], None]) -> None:
        self.finder = finder
        self.run_module = run_module
        self._loader = loader

    def __call__(self, module: ModuleType) -> None:
        """Run a module as the loader would; after that of the finder the loader is as it was."""
        if not self.finder.wants(module):
            self.run_module(module)
            return
        if vars(self._loader).get("exec_module") is self:
            del self._loader.exec_module
        self.run_module(module)
        self.finder.imported(module)


def _is_followed(run_module: Callable[[ModuleType], None], finder: ModuleFinder) -> bool:
    """Return whether a finder follows a loader already: to look whether a module is there asks for it, too."""
    while type(run_module) is _Followed:
        if run_module.finder is finder:
            return True
        run_module = run_module.run_module
    return False
