"""Under which conditions a run is made, whichever version recorded them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from analysis.recording.manifest import Manifest
from analysis.verdict.comparability import conditions_sha256


def digest(traffic: dict[str, Any]) -> str:
    return conditions_sha256(
        cast(Manifest, SimpleNamespace(config={"traffic": traffic}, locustfile_sha256=None))
    )


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
