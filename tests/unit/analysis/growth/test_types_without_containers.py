"""Objects that grow in number and in no container: what is said of them, and when their references are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.growth.suspect import LeakSuspect
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from tests.support.planted_heap import END_S, Container, served, write_heap

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")
ISTR = "multidict._multidict.istr"
Rates = dict[str, tuple[Callable[[float], float], float]]


def first(
    build_run: Build, types: Rates, *answers: dict[str, Any], containers: tuple[Container, ...] = ()
) -> LeakSuspect:
    """Return the first suspect of an arm whose objects grow so, and of which the probe says that."""
    run_dir = build_run(kill_hour=None)
    write_heap(run_dir / "leaky", containers, types, more_holders=[{"length": 9, **one} for one in answers])
    return report_contents(read_recording(run_dir)).growth[0].suspects[0]


def each(name: str, rate: float = 1.0, size_bytes: float = 20_000.0) -> Rates:
    return {name: (lambda n: rate * n, size_bytes)}


def said(name: str, state: str) -> dict[str, Any]:
    return {"type": name, "entries": f'[{{"state": "{state}"}}]'}


def test_what_the_collector_never_lists_and_nothing_could_hold_is_lost_in_native_code(
    build_run: Build,
) -> None:
    """A str, which has no referrer and refers to none, where nothing else grows."""
    one = first(build_run, each(ISTR), said(ISTR, "untracked"))
    assert (one.kind, one.name) == ("reference lost in native code", f"objects of {ISTR}")
    assert one.items_per_request == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("answers", [(), ({"type": "app.Node"},)], ids=["never asked", "not finished"])
def test_without_an_answer_nothing_is_lost(answers: tuple[dict[str, Any], ...], build_run: Build) -> None:
    """Objects of Python hold one another, as in a linked list or a tree, of which no container grows."""
    assert first(build_run, each("app.Node"), *answers).kind == "retained objects, holder unknown"


@pytest.mark.parametrize(
    ("name", "answers", "kind"),
    [
        ("app.Node", (), "retained objects, holder unknown"),
        ("builtins.bytes", (), "reference lost in native code"),
        ("app.Stamp", (said("app.Stamp", "untracked"),), "reference lost in native code"),
    ],
)
def test_what_grows_beside_it_may_hold_it(
    name: str, answers: tuple[dict[str, Any], ...], kind: str, build_run: Build
) -> None:
    """A node for each text does; bytes, and what the collector never lists, hold no text."""
    types = each(ISTR) | each(name, size_bytes=100.0)
    assert first(build_run, types, said(ISTR, "untracked"), *answers).kind == kind


@pytest.mark.parametrize(
    ("retained", "kind"),
    [(0.9, "reference lost in native code"), (0.1, "retained objects, holder unknown")],
)
@pytest.mark.parametrize("text", ["untracked", ""])
def test_what_lost_objects_retain_is_lost_with_them(
    text: str, retained: float, kind: str, build_run: Build
) -> None:
    """As the texts of frames that native code keeps, where the frames retain most of what grows, and not little."""
    types = each(ISTR) | each("builtins.frame", size_bytes=500.0)
    frames = said("builtins.frame", "unreferenced")
    run = {**frames, "length": 9, "retained_bytes": retained * 20_500.0 * served(END_S), "retained_whole": 0}
    assert first(build_run, types, said(ISTR, text), run).kind == kind


def test_a_holder_that_was_found_is_said(build_run: Build) -> None:
    """Whatever grows beside it."""
    one = first(build_run, each(ISTR), {"type": ISTR, "holder": "app.registry", "entries": "[]"})
    assert (one.kind, one.name) == ("unbounded cache or list", "app.registry")
