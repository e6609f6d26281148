from __future__ import annotations

import sys
import types
import zipfile
from importlib import import_module
from importlib.machinery import FrozenImporter, ModuleSpec
from importlib.util import LazyLoader, find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest
from soak_probe.imports import ModuleFinder, when_imported
from soak_probe.sessions import AIOHTTP_CLIENT, Sessions


class PlantedLoader:
    def create_module(self, spec: ModuleSpec) -> None:
        pass

    def exec_module(self, module: types.ModuleType) -> None:
        module.loaded = True  # type: ignore[attr-defined]


class PlantedFinder:
    """Finds every module, with a loader of its own."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec:
        return ModuleSpec(name, self._loader)


class TestModuleFinder:
    def test_it_reacts_to_aiohttp_client_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module reaches the callback once its own loader has run it; then the finder is gone."""
        imported: list[types.ModuleType] = []
        finder, loader = ModuleFinder(AIOHTTP_CLIENT, imported.append), PlantedLoader()
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(loader)])
        assert finder.find_spec("aiohttp") is None
        spec = finder.find_spec(AIOHTTP_CLIENT)
        assert spec is not None
        assert spec.loader is loader  # type: ignore[comparison-overlap]
        module = module_from_spec(spec)
        loader.exec_module(module)
        assert imported == [module]
        assert module.loaded
        assert finder not in sys.meta_path
        assert "exec_module" not in vars(loader)

    def test_what_is_not_there_is_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without aiohttp installed the import fails as it would without us."""
        finder = ModuleFinder(AIOHTTP_CLIENT, lambda _: None)
        monkeypatch.setattr(sys, "meta_path", [finder])
        assert finder.find_spec(AIOHTTP_CLIENT) is None

    def test_an_unknown_loader_or_module_does_not_break_the_import(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A loader that cannot be followed, and a module without ClientSession, import as ever."""
        finder = ModuleFinder(AIOHTTP_CLIENT, Sessions().watch_module)
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(object())])
        assert finder.find_spec(AIOHTTP_CLIENT) is not None
        loader = PlantedLoader()
        monkeypatch.setattr(sys, "meta_path", [finder, PlantedFinder(loader)])
        spec = finder.find_spec(AIOHTTP_CLIENT)
        assert spec is not None
        module = module_from_spec(spec)
        loader.exec_module(module)
        assert module.loaded

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_what_python_tolerates_is_no_error_of_ours(
        self, wrapped: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A finder without find_spec, as that of six 1.15, is passed over; and where we are wrapped others go on."""
        finder, loader = ModuleFinder(AIOHTTP_CLIENT, lambda _: None), PlantedLoader()
        path = [object(), *([] if wrapped else [finder]), object(), PlantedFinder(loader)]
        monkeypatch.setattr(sys, "meta_path", path)
        assert (finder.find_spec(AIOHTTP_CLIENT) is None) is wrapped
        monkeypatch.setattr(sys, "meta_path", path[:-1])
        assert finder.find_spec(AIOHTTP_CLIENT) is None

    def test_a_loader_of_many_modules_is_followed_for_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An archive has one loader; whether a module is there may be asked often before it is imported."""
        names = [f"planted_{letter}" for letter in "abc"]
        with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
            for name in names:
                archive.writestr(f"{name}.py", "loaded = True\n")
        imported: list[str] = []
        finders = [ModuleFinder(name, lambda module: imported.append(module.__name__)) for name in names[:2]]
        monkeypatch.syspath_prepend(str(tmp_path / "app.zip"))
        monkeypatch.setattr(sys, "meta_path", [*finders, *sys.meta_path])
        for name in names:
            monkeypatch.delitem(sys.modules, name, raising=False)
        specs = [find_spec(name) for _ in range(3) for name in names]
        assert all(import_module(name).loaded for name in reversed(names))
        assert imported == ["planted_b", "planted_a"]
        assert len({id(spec.loader) for spec in specs if spec is not None}) == 1
        assert not set(finders) & set(sys.meta_path)

    def test_the_loader_of_frozen_modules_is_left_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is a class: what it is given all frozen modules have, and what is taken from it is gone."""
        before = dict(vars(FrozenImporter))
        monkeypatch.setattr(sys, "meta_path", [ModuleFinder("__phello__", lambda _: None), *sys.meta_path])
        monkeypatch.delitem(sys.modules, "__phello__", raising=False)
        import_module("__phello__")
        assert dict(vars(FrozenImporter)) == before

    def test_a_lazy_module_is_not_loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that is loaded when it is first used was not used by the target."""
        (tmp_path / "planted_lazy.py").write_text("ClientSession = None\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        spec = find_spec("planted_lazy")
        assert spec is not None
        assert spec.loader is not None
        spec.loader = LazyLoader(spec.loader)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, "planted_lazy", module)
        when_imported("planted_lazy", lambda module: module.ClientSession)
        assert type(module) is not types.ModuleType
