"""A target that reports its leak as free memory is not signed, and one whose memory is free is."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.judge.types import INCONCLUSIVE, NO_LEAK, ReasonCode
from analysis.recording.read import read_recording
from analysis.verdict.arm import ArmVerdict, judged_arm
from analysis.verdict.wording import verdict_line
from soak import contract
from soak.contract.clock import RunClock
from soak.heap.census import take_census
from soak.limit.base import Unlimited
from soak.sampling.probe_client import ProbeClient
from soak.sampling.target import Target
from tests.support import run_directory
from tests.support.scripted_sampler import Bench, FakeProbe

LOAD_S, LOAD_FROM_S, CENSUS_EVERY_S, RPS = 120, 10, 10, 100
MARGIN_BYTES = 2_000
"""Per request: 24 MB over the load, of 120 MiB by which each target grows."""


def soaked(directory: Path, mode: str, *, censuses: bool = True) -> ArmVerdict:
    """Return the verdict on a target of this mode after two minutes of load, which pass at once."""
    now_s, run_dir = 0.0, directory / "run"
    phases = {
        "idle": 0,
        "warmup": 1,
        "load": LOAD_FROM_S,
        "drain": LOAD_FROM_S + LOAD_S,
        "quiesce": LOAD_FROM_S + LOAD_S + 2,
    }
    end_s = phases["quiesce"] + 5
    t_s = range(1, phases["drain"])
    counts = {"planned": RPS, "sent": RPS, "missed": 0, "ok": RPS}
    counts |= dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    requests = [{"t_s": t, "phase": "load" if t >= LOAD_FROM_S else "warmup", **counts} for t in t_s]
    manifest = run_directory.manifest(
        {"leaky": ""},
        LOAD_S,
        profile="rogue",
        incident=False,
        margin={"max_leak_bytes_per_request": MARGIN_BYTES},
    )
    run_directory.write_run(
        run_dir, manifest, run_directory.events(phases, end_s, ["leaky"]), {"leaky": ([], requests)}
    )
    (run_dir / "leaky" / "samples.csv").unlink()
    latencies = [(LOAD_FROM_S, LOAD_S, ((5000, RPS * LOAD_S),))]
    run_directory.write_latency_log(run_dir / "leaky" / contract.LATENCY_LOG, latencies)
    argv = [sys.executable, str(Path(__file__).with_name("rogue_target.py")), str(directory), mode]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        bench, probe = (
            Bench(run_dir / "leaky", RunClock(0.0, lambda: now_s, lambda: now_s), FakeProbe()),
            ProbeClient(directory, process.pid),
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            bench.sampler.targets = (Target("leaky", process.pid, 1, Unlimited(), probe),)
            for now_s in t_s:
                bench.sampler.phase = "load" if now_s >= LOAD_FROM_S else "warmup"
                if censuses and now_s % CENSUS_EVERY_S == 0:
                    seen = take_census(process.pid).pool_free_bytes
                    bench.sampler.census_cells = {process.pid: {"pool_free_bytes": seen}}
                bench.sampler.tick(exact=True)  # which waits for a target that gets no processor
            now_s, bench.sampler.phase = phases["quiesce"] + 1.0, "quiesce"
            for rung, op in zip(contract.RUNGS, (None, "collect", "trim"), strict=True):
                if op is not None:
                    probe.ask(op, 30.0)
                bench.sampler.tick(rung, exact=True)
            assert bench.sampler.gaps.total == {}
        finally:
            probe.close()
            bench.close()
            process.kill()
    recording = read_recording(run_dir)
    return judged_arm(recording, recording.arms[0]).verdict


@pytest.mark.parametrize(("mode", "witness"), [("pools", "the heap census"), ("malloc", "malloc_trim")])
def test_a_leak_that_is_reported_as_free_memory_is_contradicted(
    tmp_path: Path, mode: str, witness: str
) -> None:
    """Live memory flat, free memory forged: neither the pools nor the trim has it, and RSS is not what it sent."""
    verdict = soaked(tmp_path, mode)
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.leading is not None
    assert verdict.leading.judgement.reason_code is ReasonCode.CONTRADICTED_FREE
    assert re.fullmatch(
        rf"the probe contradicts {witness}: it reports 11\d\.\d MiB more free than at the start, "
        r"and 1[12]\d\.\d MiB of free memory are not confirmed",
        verdict.reason,
    )
    with (tmp_path / "run" / "leaky" / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"leaky"}
    assert int(rows[-1]["rss_bytes"]) - int(rows[0]["rss_bytes"]) > 100 << 20


def test_free_memory_that_is_there_clears_where_a_census_saw_it(tmp_path: Path) -> None:
    """Own memory grows by 1 MiB with each sample, of which hardly anything is in use."""
    verdict = soaked(tmp_path, "honest")
    assert verdict.verdict == NO_LEAK, verdict.reason
    assert "MiB, free by the target's own word, which is confirmed from outside" in verdict_line(verdict)


def test_without_a_census_it_clears_nothing(tmp_path: Path) -> None:
    """The reason has the fix."""
    verdict = soaked(tmp_path, "honest", censuses=False)
    assert verdict.verdict == INCONCLUSIVE
    assert "free by the target's own account alone; a heap census during the load" in verdict.reason
