"""Packages of other people with the names of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from soak.cli.commands import app
from soak.cli.packages import HOME, refuse_foreign_packages
from soak.errors import HarnessError


def package(place: Path, name: str) -> Path:
    (place / name).mkdir(parents=True)
    (place / name / "__init__.py").touch()
    return place / name


def test_a_foreign_package_that_comes_first_is_named(tmp_path: Path) -> None:
    """Exit code 1 with both places, before anything is started."""
    foreign = package(tmp_path, "analysis")
    with pytest.raises(HarnessError, match="another package called 'analysis'") as caught:
        refuse_foreign_packages([str(tmp_path), str(HOME)])
    assert str(foreign) in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("search", [(HOME,), (HOME, "elsewhere")])
def test_a_foreign_package_that_comes_later_is_no_harm(
    tmp_path: Path, search: tuple[Path | str, ...]
) -> None:
    """Ours are found first; so is a search path that lacks them, which is not ours to judge."""
    package(tmp_path, "gateway")
    refuse_foreign_packages([str(place) for place in (*search, tmp_path)])


def test_a_folder_without_modules_is_no_package(tmp_path: Path) -> None:
    """A team's data folder called analysis does not hide ours, which Python finds behind it."""
    (tmp_path / "analysis").mkdir()
    refuse_foreign_packages([str(tmp_path), str(HOME)])


def test_the_version_is_printed() -> None:
    """For bug reports."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, "soakproof 0.1.0\n")
