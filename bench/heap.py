"""What the census from outside costs, and how exact it is: ``python -m bench.heap``."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer

from bench.harness.client import Client
from bench.harness.ending import MISSED, measuring
from bench.harness.estimate import Finding, Goal, Verdict, estimate, exactly
from bench.harness.parts import Parts, load_and_act
from bench.harness.progress import Progress
from bench.harness.servers import Command, Place, Server, open_place
from bench.harness.subprocesses import ROOT
from bench.harness.table import findings_table, new_console, new_progress
from bench.targets.heap_app import EVERY_S, KINDS
from soak.errors import HarnessError
from soak.heap.census import take_census
from soak.heap.cpython.chunks import CHUNK_BYTES
from soak.heap.cpython.memory import ProcessMemory

LARGE, MIDDLE, SMALL = 10_000_000, 3_000_000, 1_000_000
ROUNDS = 6
RATE_RPS = 500
PARTS = 24
"""Parts of EVERY_S in which the p99 is measured, half of them with a census."""
PEER_S = 14.0
PLAIN, OBJGRAPH, MEMRAY = "plain", "objgraph", "memray"
TIMEOUT_S = 60.0
_MIB = 2**20


def _app(name: str, objects: int, mode: str = "plain") -> Command:
    return Command(name, ("-m", "bench.targets.heap_app", str(objects), mode))


def _soak_heap(pid: int, *words: str) -> list[str]:
    return ["nice", "-n", "19", sys.executable, "-m", "soak", "heap", str(pid), *words]


def cost_and_error(place: Place, progress: Progress) -> list[Finding]:
    """Return time, memory and count error of a census of LARGE objects; raises HarnessError."""
    seconds, cpu_seconds, memory, errors = [], [], [], []
    expected = LARGE // KINDS
    with place.serving(_app("large", LARGE)) as server:
        for number in range(ROUNDS):
            census, peak_mib = _census_and_peak(server.child.pid)
            counted = {entry["name"]: entry["objects"] for entry in census["types"]}
            seconds.append(census["cost_s"])
            cpu_seconds.append(census["cpu_s"])
            memory.append(peak_mib)
            # the class is known exactly; of each of the other kinds there are at least as many
            errors.append(100 * abs(counted["__main__.Item"] - expected) / expected)
            progress.say(
                f"census, round {number + 1} of {ROUNDS}: {census['total_objects']:,} objects in {seconds[-1]:.2f} s "
                f"({cpu_seconds[-1]:.2f} s of CPU), {memory[-1]:.0f} MiB, "
                f"{counted['__main__.Item'] - expected:+,} of {expected:,}"
            )
        speed = against_copy(server.child.pid, progress)
    worst = max(errors)
    return [
        Finding("census of 10 M objects, time", Goal(0.8, at_least=False), " s", estimate(seconds)),
        Finding("the same, CPU time", Goal(0.8, at_least=False), " s", estimate(cpu_seconds)),
        speed,
        Finding("the same, memory", Goal(190, at_least=False), " MiB", estimate(memory)),
        Finding("the same, error of a count", Goal(0.1, at_least=False), "%", exactly(worst)),
    ]


def _census_and_peak(pid: int) -> tuple[dict[str, Any], float]:
    """Return a census as it is printed, and the peak of the memory of the process that took it, MiB."""
    words = _soak_heap(pid, "--json", "--watch", f"{TIMEOUT_S:g}")
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise HarnessError(f"soak heap ended with exit code {process.wait()}")
        # that which wait4(2) returns counts the memory of the process that started it, too
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        return json.loads(line), int(peak[1]) * 1024 / _MIB if peak else math.nan
    finally:
        process.kill()
        process.communicate()


def against_copy(pid: int, progress: Progress) -> Finding:
    """Return the bytes that a census reads per second of CPU time, as a share of those that are merely copied.

    Both are done in turn, in this process, a copy before and after each census. Raises HeapError.
    """
    take_census(pid)  # the first one checks itself against a sibling
    shares = []
    for number in range(ROUNDS):
        before, census, after = _copied_per_second(pid), take_census(pid), _copied_per_second(pid)
        per_second = census.read_bytes / census.cpu_s
        shares.append(2 * per_second / (before + after))
        progress.say(
            f"census against a copy, round {number + 1} of {ROUNDS}: {per_second / 1e9:.2f} GB per second of CPU time, "
            f"copied {before / 1e9:.2f} and {after / 1e9:.2f}"
        )
    return Finding("the same, bytes/s / plain copy", Goal(0.5, at_least=True), "x", estimate(shares))


def _copied_per_second(pid: int) -> float:
    """Return how many bytes of the allocators' memory of a process are copied here per second of CPU time."""
    buffer = np.zeros(CHUNK_BYTES, np.uint8)
    copied = 0
    with ProcessMemory(pid) as memory:
        stretches = [
            stretch
            for mapping in memory.maps
            if mapping.anonymous
            for stretch in memory.resident(mapping.start, mapping.end)
        ]
        began_s = time.process_time()
        for start, end in stretches:
            for place in range(start, end, CHUNK_BYTES):
                copied += memory.read_into(place, buffer[: end - place])
        return copied / (time.process_time() - began_s)


@contextmanager
def _attached(server: Server) -> Iterator[None]:
    """Have memray attach when the block begins and leave after EVERY_S; raises HarnessError when it could not."""
    with TemporaryDirectory(prefix="soak-bench-") as directory:
        words = [
            sys.executable,
            "-m",
            "memray",
            "attach",
            "-o",
            f"{directory}/allocations.bin",
            "--duration",
            f"{EVERY_S:g}",
        ]
        process = subprocess.Popen(
            [*words, str(server.child.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            yield
            errors = process.communicate(timeout=TIMEOUT_S)[1]
        finally:
            process.kill()
    if process.returncode:
        raise HarnessError(f"memray attach ended with exit code {process.returncode}: {errors[-500:]}")


def disturbance(place: Place, client: Client, progress: Progress) -> list[Finding]:
    """Return the ratio of the p99 of the five seconds after a census is begun to that of five without.

    The peers are named in the progress. Raises HarnessError.
    """
    p99s = Parts()
    # a process of its own at the lowest priority, as that of a run
    with (
        place.serving(_app("plain", MIDDLE)) as plain,
        ProcessPoolExecutor(1, get_context("spawn"), os.nice, (19,)) as pool,
    ):

        def take() -> None:
            pool.submit(_take, plain.child.pid).result(TIMEOUT_S)

        take()  # the first one checks itself against a sibling
        progress.say(
            f"p99 at {RATE_RPS} requests/s, {PARTS} parts of {EVERY_S:g} s, a census in every second one"
        )
        load, _ = load_and_act(client, plain, take, parts=PARTS, part_s=EVERY_S, rate_rps=RATE_RPS)
        p99s.add(load.p99_s)
    without_s = estimate(p99s.plain).middle
    progress.say(f"p99 {1000 * without_s:.1f} ms, with a census {1000 * estimate(p99s.acted).middle:.1f} ms")
    _disturbance_of_peers(place, client, without_s, progress)
    return [Finding("p99 with census / without", Goal(1.2, at_least=False), "x", p99s.ratio())]


def _take(pid: int) -> None:
    take_census(pid)


def _disturbance_of_peers(place: Place, client: Client, without_s: float, progress: Progress) -> None:
    """Say what objgraph and memray, where it is installed, each in a server of its own, make of ``without_s``."""
    has_memray = importlib.util.find_spec("memray") is not None
    for peer in (OBJGRAPH, MEMRAY) if has_memray else (OBJGRAPH,):
        app = _app(peer, MIDDLE, OBJGRAPH if peer == OBJGRAPH else PLAIN)
        try:
            with place.serving(app) as server:
                client.pace(server, 1.0, RATE_RPS)
                with _attached(server) if peer == MEMRAY else nullcontext():
                    p99_s = client.pace(server, PEER_S, RATE_RPS)
        except HarnessError as error:
            if peer != MEMRAY:
                raise
            progress.say(f"memray is no peer here: {error}")
        else:
            progress.say(f"p99 with {peer} every {EVERY_S:g} s / without: {p99_s / without_s:.0f}x")
    if not has_memray:
        progress.say("memray is no peer here: .venv/bin/pip install memray, and gdb, add it.")


def from_enter_to_table(place: Place, progress: Progress) -> list[Finding]:
    """Return how long ``soak heap`` takes on a process of SMALL objects, the start of Python with it."""
    seconds = []
    with place.serving(_app("small", SMALL)) as server:
        for _ in range(ROUNDS):
            began_s = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "soak", "heap", str(server.child.pid)],
                cwd=ROOT, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True,
            )  # fmt: skip
            seconds.append(time.perf_counter() - began_s)
    progress.say(f"soak heap on 1 M objects: {', '.join(f'{value:.2f}' for value in seconds)} s")
    return [Finding("soak heap, 1 M objects, to table", Goal(1.0, at_least=False), " s", estimate(seconds))]


def main() -> None:
    """Measure all; exits with 1 where an interval excludes its goal, with 2 when something could not be measured."""
    console = new_console()
    progress = new_progress(console, about_s=180)
    with measuring(), open_place() as place:
        findings = cost_and_error(place, progress)
        findings += from_enter_to_table(place, progress)
        findings += disturbance(place, Client(), progress)
    console.print(findings_table(findings))
    if any(finding.verdict is Verdict.MISSED for finding in findings):
        raise typer.Exit(MISSED)


if __name__ == "__main__":
    typer.run(main)
