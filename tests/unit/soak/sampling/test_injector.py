"""What the sampler asks the probes of the copy to keep, by scripted requests and probes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soak.contract import DRAIN, IDLE, LOAD, WARMUP, InjectedLeak
from soak.limit.base import Unlimited
from soak.sampling.injector import Injector
from soak.sampling.probe_answers import ProbeError
from soak.sampling.target import Target

PER_REQUEST = InjectedLeak("request", {"python": 400.0, "native": 100.0})
PER_S = InjectedLeak("s", {"mmap": 1000.0})


@dataclass
class Probe:
    """Keeps what it is asked for, or fails."""

    exists: bool = True
    broken: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, op: str, timeout_s: float, *, kind: str, total: int) -> dict[str, Any]:
        assert (op, timeout_s) == ("inject", 0.5)
        if self.broken:
            raise ProbeError("probe: inject: timed out")
        self.asked.append((kind, total))
        return {"ok": True, "held": total - 8}


class Bench:
    """An injector, the file that it follows, and the processes of its arm."""

    def __init__(self, directory: Path, leak: InjectedLeak) -> None:
        self.requests = directory / "requests.csv"
        self.requests.write_text("t_s,planned,ok,failed_4xx\n")
        self.injector = Injector(leak, self.requests)
        self.t_s = 0.0

    def answer(self, *oks: int) -> None:
        with self.requests.open("a") as file:
            file.writelines(f"{second},{ok + 1},{ok},1\n" for second, ok in enumerate(oks))

    def follow(self, *probes: Probe, phase: str = LOAD, first_life: int = 1) -> None:
        self.t_s += 1.0
        targets = [
            Target("app.leak", os.getpid(), life, Unlimited(), probe)  # type: ignore[arg-type]
            for life, probe in enumerate(probes, first_life)
        ]
        self.injector.follow(targets, phase, self.t_s, lambda: 0.5)


def test_the_total_is_the_rate_times_all_answers(tmp_path: Path) -> None:
    """Failures do not count; nothing new is not asked for again; what the probe holds is what is reported."""
    bench, probe = Bench(tmp_path, PER_REQUEST), Probe()
    bench.answer(10, 20)
    bench.follow(probe)
    bench.follow(probe)
    bench.answer(5)
    bench.follow(probe)
    assert probe.asked == [("python", 12_000), ("native", 3_000), ("python", 14_000), ("native", 3_500)]
    assert bench.injector.held_bytes == {"python": 13_992, "native": 3_492}


def test_a_damaged_row_counts_for_nothing(tmp_path: Path) -> None:
    """Neither one without its second nor one without its answers ends the sampling."""
    bench, probe = Bench(tmp_path, PER_REQUEST), Probe()
    bench.answer(10)
    with bench.requests.open("a") as file:
        file.write("\x00\x00\n,9,8,1\n2,9\n3,9,8x,1\n")
    bench.answer(20)
    bench.follow(probe)
    assert probe.asked == [("python", 12_000), ("native", 3_000)]


def test_workers_share_the_total_and_a_new_one_begins_at_nothing(tmp_path: Path) -> None:
    """An arm leaks as much with two processes as with one, and a restart is no step."""
    bench, first, second, third = Bench(tmp_path, PER_REQUEST), Probe(), Probe(), Probe()
    bench.answer(10)
    bench.follow(first, second)
    assert first.asked == second.asked == [("python", 2_000), ("native", 500)]
    bench.answer(10)
    bench.follow(third, first_life=3)
    assert third.asked == [("python", 4_000), ("native", 1_000)]
    assert bench.injector.held_bytes == {"python": 2 * 1_992 + 3_992, "native": 2 * 492 + 992}


def test_requests_while_the_arm_is_down_count_for_nobody(tmp_path: Path) -> None:
    """They cannot have leaked in the process that starts afterwards."""
    bench, probe = Bench(tmp_path, PER_REQUEST), Probe()
    bench.answer(10)
    bench.follow()
    bench.answer(1)
    bench.follow(probe)
    assert probe.asked == [("python", 400), ("native", 100)]


def test_a_rate_per_second_counts_warm_up_and_load(tmp_path: Path) -> None:
    """Without load nothing leaks."""
    bench, probe = Bench(tmp_path, PER_S), Probe()
    for phase in (IDLE, IDLE, WARMUP, LOAD, LOAD, DRAIN, DRAIN):
        bench.follow(probe, phase=phase)
    assert probe.asked == [("mmap", 1_000), ("mmap", 2_000), ("mmap", 3_000)]


def test_a_probe_that_fails_is_asked_for_all_of_it_later(tmp_path: Path) -> None:
    """The total is cumulative, so no request is lost."""
    bench, probe = Bench(tmp_path, PER_REQUEST), Probe(broken=True)
    bench.answer(10)
    with pytest.raises(ProbeError, match="timed out"):
        bench.follow(probe)
    probe.broken = False
    bench.answer(10)
    bench.follow(probe)
    assert probe.asked == [("python", 8_000), ("native", 2_000)]


def test_a_copy_without_a_probe_is_an_error(tmp_path: Path) -> None:
    """Nothing can be injected there; a process beside one with a probe is passed over."""
    bench, probe = Bench(tmp_path, PER_REQUEST), Probe()
    with pytest.raises(ProbeError, match="no process of the copy has a probe"):
        bench.follow(Probe(exists=False))
    bench.answer(10)
    bench.follow(Probe(exists=False), probe)
    assert probe.asked == [("python", 4_000), ("native", 1_000)]
