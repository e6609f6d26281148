"""Under which conditions a run is made, whichever version recorded them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from analysis.recording.manifest import Manifest
from analysis.verdict.comparability import conditions_sha256


def digest(traffic: dict[str, Any], python: str = "3.11.7", **host: object) -> str:
    manifest = SimpleNamespace(
        config={"traffic": traffic}, locustfile_sha256=None, python=python, host=host, candidate_arm=None
    )
    return conditions_sha256(cast(Manifest, manifest))


def test_a_key_that_an_earlier_version_did_not_have_is_no_difference() -> None:
    """At the value by which it changes nothing."""
    earlier = {"seed": 1, "requests": [{"path": "/", "weight": 2}]}
    now = {
        "seed": 1,
        "mix": "random",
        "requests": [{"path": "/", "weight": 2, "open_s": None, "echo": False}],
    }
    assert digest(earlier) == digest(now)


@pytest.mark.parametrize(
    "changed", [{"mix": "rotate"}, {"seed": 2}, {"requests": [{"path": "/", "open_s": 1}]}]
)
def test_another_load_is_a_difference(changed: dict[str, Any]) -> None:
    traffic = {"seed": 1, "requests": [{"path": "/"}]}
    assert digest(traffic) != digest(traffic | changed)


def test_another_python_or_host_is_a_difference_and_another_kernel_none() -> None:
    """What a machine changed is laid to no build; its kernel changes with every update."""
    here = digest({}, cpus=2, kernel="6.1.1")
    assert digest({}, cpus=2, kernel="6.1.2") == here
    assert digest({}, cpus=4, kernel="6.1.1") != here
    assert digest({}, "3.12.1", cpus=2, kernel="6.1.1") != here
