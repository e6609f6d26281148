"""Two real leaks and their fixes, soaked for half a minute; ``make leaks`` has them all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soak.errors import HarnessError
from tests.leaks.outcome import Outcome
from tests.leaks.soaking import ROOT, make_ready, soak_case
from tests.leaks.yardsticks import RELEASES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        "SOAKPROOF_REQUIRE_LEAKS" not in os.environ,
        reason="takes a minute and installs packages; SOAKPROOF_REQUIRE_LEAKS=1 runs it, make leaks runs every case",
    ),
]

LOAD_S = 24
IN_BLOCKS, IN_PAGES = "orjson_default_error", "greenlet_sqlalchemy"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    place: Path = tmp_path_factory.mktemp("leaks")
    try:
        ready = [make_ready(case, ROOT / ".leaks") for case in RELEASES.chosen([IN_BLOCKS, IN_PAGES])]
    except HarnessError as error:
        pytest.skip(f"their environments cannot be made: {error}")
    with ThreadPoolExecutor(len(ready)) as pool:
        found = pool.map(lambda one: soak_case(one, LOAD_S, place), ready)
        return {outcome.case.name: outcome for outcome in found}


@pytest.mark.parametrize("name", [IN_BLOCKS, IN_PAGES])
def test_a_real_leak_is_called_and_its_mend_is_not(outcomes: dict[str, Outcome], name: str) -> None:
    """Objects that a Rust extension leaks, and pages that no allocator knows of, are seen in half a minute."""
    outcome = outcomes[name]
    assert [(found.kind, found.verdict) for found in outcome.found] == [
        ("leaky", "leak"),
        ("fixed", "no_leak"),
    ], (outcome.failed, [found.sentence for found in outcome.found])
