"""The injected leak in a real process: what the probe reports as held is what the kernel charges."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from soak.process.probe_injection import INJECT_VARIABLE, PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from tests.support.pythons import find_interpreter

pytestmark = pytest.mark.integration

WAITING = "import sys; print('ready', flush=True); sys.stdin.read()"
TOTAL_BYTES = 20_000_000
STEPS = 50
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
PATIENCE_S = 30.0

Start = Callable[..., tuple[int, ProbeClient]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a waiting process under the probe and returns its pid and its probe."""
    tmp_path.chmod(0o700)
    with ExitStack() as stack:

        def run(python: str = sys.executable, *, permitted: bool = True) -> tuple[int, ProbeClient]:
            env = {**os.environ, "PYTHONPATH": str(PROBE_PATH), PROBE_DIRECTORY_VARIABLE: str(tmp_path)}
            env |= {INJECT_VARIABLE: "1"} if permitted else {}
            process = stack.enter_context(
                subprocess.Popen(
                    [python, "-c", WAITING], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            probe = ProbeClient(tmp_path, process.pid)
            stack.callback(probe.close)
            return process.pid, probe

        yield run


def anonymous_bytes(pid: int) -> int:
    """Return RssAnon of the process, bytes."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """A Python of each version; skips those that are not on this machine."""
    found = find_interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} here")
    return found


@pytest.mark.parametrize("kind", ["python", "native", "mmap"])
def test_what_is_held_is_memory(python: str, start: Start, kind: str) -> None:
    """20 MB in 50 steps: held to a piece, and charged to the process within 4% (arenas of 1 MiB and headers)."""
    pid, probe = start(python)
    probe.ask("sample", PATIENCE_S)
    # What the first request imports is there already, and what compiling it freed is no memory to hold more in.
    probe.ask("inject", PATIENCE_S, kind=kind, total=10_000)
    probe.ask("trim", PATIENCE_S)
    before, held = anonymous_bytes(pid), 0
    for step in range(1, STEPS + 1):
        total = step * TOTAL_BYTES // STEPS
        held = int(probe.ask("inject", PATIENCE_S, kind=kind, total=total)["held"])
        assert total - 4096 < held <= total * 1.01
    assert probe.ask("inject", PATIENCE_S, kind=kind, total=TOTAL_BYTES)["held"] == held
    assert anonymous_bytes(pid) - before == pytest.approx(held, rel=0.04, abs=1 << 20)


@pytest.mark.parametrize(("kind", "column"), [("python", "pymalloc"), ("native", "malloc")])
def test_each_kind_is_counted_by_its_allocator(python: str, start: Start, kind: str, column: str) -> None:
    """Python's allocator and malloc each report what was injected into them, and the other does not."""
    _, probe = start(python)

    def in_use() -> dict[str, int]:
        sample = probe.ask("sample", PATIENCE_S)
        return {
            "pymalloc": int(sample["pymalloc_arena_bytes"] - sample["pymalloc_free_bytes"]),
            "malloc": int(sample["malloc_in_use_bytes"]),
        }

    before = in_use()
    held = int(probe.ask("inject", PATIENCE_S, kind=kind, total=TOTAL_BYTES)["held"])
    grown = {name: value - before[name] for name, value in in_use().items()}
    assert grown.pop(column) == pytest.approx(held, rel=0.06)
    assert max(grown.values()) < 0.06 * held


def test_an_arm_that_is_no_copy_injects_nothing(start: Start) -> None:
    """Asked all the same, its probe refuses, and its memory stays as it was."""
    pid, probe = start(permitted=False)
    probe.ask("sample", PATIENCE_S)
    before = anonymous_bytes(pid)
    with pytest.raises(ProbeError, match="op 'inject' is not one of"):
        probe.ask("inject", PATIENCE_S, kind="python", total=TOTAL_BYTES)
    assert anonymous_bytes(pid) - before < 1 << 20
