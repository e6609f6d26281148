"""The lock of the image is the part of the lock that soakproof runs with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and hashes of each package of a lock."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]:
        pin = re.match(r"([\w.-]+)==([^ ;\\]+)", block)
        assert pin is not None, block
        hashes = frozenset(re.findall(r"sha256:[0-9a-f]{64}", block))
        found[canonicalize_name(pin[1])] = (pin[2], hashes)
    return found


def names(requirements: Iterable[object]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements if isinstance(one, str)}


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    everything, image = pins("requirements.lock"), pins("requirements-image.lock")
    assert {name for name, pin in image.items() if pin != everything.get(name)} == set()


def test_the_image_has_what_soakproof_needs_and_nothing_of_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups, image = project["dependency-groups"], set(pins("requirements-image.lock"))
    needed = names(project["project"]["dependencies"]) | names(groups["build"])
    assert needed <= image
    assert {"mypy", "playwright", "ruff", "schemathesis"} <= names(groups["dev"])
    assert not {"mypy", "playwright", "ruff", "schemathesis"} & image
