"""Two real leaks with their fixes, and one in a foreign malloc, soaked shortly; ``make leaks`` has them all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soak.errors import HarnessError
from tests.leaks.outcome import Outcome
from tests.leaks.soaking import ROOT, make_ready, soak_case
from tests.leaks.yardsticks import ALLOCATORS, RELEASES, Yardstick

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        "SOAKPROOF_REQUIRE_LEAKS" not in os.environ,
        reason="takes a minute and installs packages; SOAKPROOF_REQUIRE_LEAKS=1 runs it, make leaks runs every case",
    ),
]

LOAD_S = 24
IN_BLOCKS, IN_PAGES = "orjson_default_error", "greenlet_sqlalchemy"
IN_JEMALLOC = "malloc_jemalloc"


def soaked(yardstick: Yardstick, cases: list[str], load_s: int, place: Path) -> dict[str, Outcome]:
    """Soak the cases side by side; skips the test where what they need cannot be installed."""
    try:
        ready = [make_ready(case, ROOT / ".leaks") for case in yardstick.chosen(cases)]
    except HarnessError as error:
        pytest.skip(str(error))
    with ThreadPoolExecutor(len(ready)) as pool:
        found = pool.map(lambda one: soak_case(one, load_s, place), ready)
        return {outcome.case.name: outcome for outcome in found}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return soaked(RELEASES, [IN_BLOCKS, IN_PAGES], LOAD_S, tmp_path_factory.mktemp("leaks"))


@pytest.mark.parametrize("name", [IN_BLOCKS, IN_PAGES])
def test_a_real_leak_is_called_and_its_mend_is_not(outcomes: dict[str, Outcome], name: str) -> None:
    """Objects that a Rust extension leaks, and pages that no allocator knows of, are seen in half a minute."""
    outcome = outcomes[name]
    assert [(found.kind, found.verdict) for found in outcome.found] == [
        ("leaky", "leak"),
        ("fixed", "no_leak"),
    ], (outcome.failed, [found.sentence for found in outcome.found])


def test_the_lines_of_both_are_named(outcomes: dict[str, Outcome]) -> None:
    """Of objects by either pass; of pages by the native pass alone, one request at a time."""
    in_blocks, in_pages = (outcomes[name].found[0].sites for name in (IN_BLOCKS, IN_PAGES))
    assert (in_blocks.line_right, in_blocks.native_right) == (True, True), in_blocks
    assert (in_pages.line_right, in_pages.native_right) == (None, True), in_pages


def test_a_leak_under_a_foreign_malloc_does_not_pass(tmp_path: Path) -> None:
    """The figures are those of the malloc that serves the process; the system's would answer that nothing is in use."""
    (outcome,) = soaked(ALLOCATORS, [IN_JEMALLOC], ALLOCATORS.load_s, tmp_path).values()
    assert outcome.right, (outcome.failed, [found.sentence for found in outcome.found])
    assert {found.asked for found in outcome.found} == {"jemalloc"}
