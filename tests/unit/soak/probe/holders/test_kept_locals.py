"""What functions keep of ``locals()`` is theirs, on every Python that the probe runs in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from soak_probe.holders import roots, variables

from tests.support.kept_locals import MANY
from tests.support.paths import ROOT
from tests.support.pythons import find_interpreter

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
FUNCTIONS = {
    "coroutine",
    "coroutine_by_vars",
    "coroutine_by_eval",
    "coroutine_by_frame",
    "coroutine_by_inspect",
    "generator",
    "asynchronous_generator",
    "thread",
}


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_function_keeps_of_its_locals_is_not_changed(version: str) -> None:
    """A name that was taken out stays out, and none made since appears, by holders and by stuck.

    What has no ``locals()`` is named as before; of what has, no reference is said to be lost, and no task that it has
    at hand to be stuck, but those that pile up are.
    """
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    printed = subprocess.run(
        [python, "-m", "tests.support.kept_locals"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    ).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    assert found["before"].keys() == FUNCTIONS
    assert all(
        "limit" in names and not {"client", "secret"} & set(names) for names in found["before"].values()
    )
    assert found["after_who"] == found["before"]
    assert found["after_stuck"] == found["before"]
    holders = found["holders"]
    assert holders["plain_coroutine"] == "task __main__.plain_coroutine() local items"
    assert holders["plain_generator"].endswith("<plain_generator() local items>")
    assert holders["plain_thread"] == "thread pump: plain_thread() local items"
    assert "unreferenced" not in found["states"].values()
    assert not found["refused"]
    assert (found["stuck"]["lost"], found["stuck"]["never"]) == (MANY, 0)


class TestLocalsOf:
    def test_of_a_function_that_keeps_its_locals_none_are_read(self) -> None:
        """Up to Python 3.12; later ones give a copy to everybody."""

        def works(gone: int, stays: int) -> Iterator[Any]:
            kept = locals()
            kept.pop("gone")
            later = 3
            yield kept
            yield later

        working: Any = works(1, 2)
        kept = next(working)
        read = variables.locals_of(working.gi_frame)
        assert kept == {"stays": 2}
        if sys.version_info < (3, 13):
            assert type(read) is variables.LeftAlone
            assert not read
        else:
            assert read.keys() == {"gone", "stays", "kept", "later"}

    @pytest.mark.skipif(sys.version_info >= (3, 13), reason="there a frame keeps no dict")
    def test_what_a_debugger_has_taken_is_left_alone(self) -> None:
        """Of a frame that is traced the dict is the tracer's, as that of a prompt."""

        def works() -> Iterator[Any]:
            mine = 1
            yield mine
            later = 2
            yield later

        working: Any = works()
        next(working)
        taken = working.gi_frame.f_locals
        taken["mine"] = "changed at the prompt"
        working.gi_frame.f_trace = lambda *_: None
        next(working)
        variables.locals_of(working.gi_frame)
        assert taken == {"mine": "changed at the prompt"}

    @pytest.mark.parametrize(
        "source",
        [
            f"def works():\n    mine = {made}\n    yield"
            for made in (
                "dir(3)",
                "'locals'",
                "vars(object)",
                "3 if print else re.eval",
                "3 if print else re.exec(1)",
            )
        ],
    )
    def test_other_functions_are_read(self, source: str) -> None:
        """``dir`` gives a list, ``vars`` of another its own variables; what is behind a dot is of another."""
        names: dict[str, Any] = {}
        exec(source, names)  # noqa: S102
        working = names["works"]()
        next(working)
        assert variables.locals_of(working.gi_frame).keys() == {"mine"}

    @pytest.mark.parametrize("on_stack", [False, True])
    def test_what_waits_hides_nothing(self, *, on_stack: bool) -> None:
        """What a generator or coroutine holds is in the collector's lists; what a thread's function holds is not."""
        names: dict[str, Any] = {}
        exec("def works():\n    mine = locals()\n    yield", names)  # noqa: S102
        working = names["works"]()
        next(working)
        frames = [roots._Running("works()", working.gi_frame)]
        [root] = roots._of_frames(frames, {id(working.gi_frame)} if on_stack else ())
        assert root.of_cut_stack is (on_stack and sys.version_info < (3, 13))

    def test_what_runs_a_module_is_read(self) -> None:
        """``python -m`` stays on the stack for as long as the program runs; it has given its locals to nobody."""
        names: dict[str, Any] = {"__name__": "runpy"}
        exec("def works():\n    mine = 3\n    exec('4', {})\n    yield", names)  # noqa: S102
        working = names["works"]()
        next(working)
        assert variables.locals_of(working.gi_frame).keys() == {"mine"}
