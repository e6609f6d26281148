"""What a sampler reads of a process: RSS with its shared pages, USS now and then, gaps, cells that were not read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.judge.types import Numbers
from tests.calibration.simulator.noise import MIB, Chance, ar1, log_uniform

PAGE = 4096.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What was there to be read at each tick; life is 0 while no process is up."""

    t_s: Numbers
    private_bytes: Numbers
    served: Numbers
    life: npt.NDArray[np.int64]


def read(memory: Memory, draw: Chance, chance: Chance, tick_s: float) -> tuple[pd.DataFrame, float]:
    """Return the columns of ``analysis.external.frame:judge_frame``, and the bytes of RSS above USS at the end.

    A service in eight is read without USS.
    """
    count = len(memory.t_s)
    sampling, uss_every_s = draw.uniform(), draw.uniform(30, 60)
    shared = _shared_pages(memory, draw, chance, tick_s, steps=sampling >= 0.125)
    page = PAGE * float(draw.choice([1, 1, 1, 16, 64]))
    rss = _whole(memory.private_bytes + shared, page)
    uss = _whole(memory.private_bytes, page)
    if sampling < 0.125:
        uss = np.full(count, np.nan)
    elif sampling < 0.8:
        uss[np.arange(count) % max(1, round(uss_every_s / tick_s)) != 0] = np.nan
    requests = np.floor(memory.served)
    counter = draw.uniform()
    if counter < 0.1:
        requests = np.full(count, np.nan)
    elif counter < 0.35:
        requests = requests - _at_start_of_life(requests, memory.life)
    late = chance.uniform(0, 0.03 * tick_s, count)
    frame = pd.DataFrame(
        {
            "time_s": memory.t_s + late,
            "rss_bytes": rss,
            "uss_bytes": uss,
            "requests_total": requests,
            "pid": 1000.0 + 17 * memory.life,
            "restart_id": memory.life - 1.0,
        }
    )
    missing = draw.choice([0.0, 0.0, 0.001, 0.02])
    for column in ("rss_bytes", "uss_bytes", "requests_total"):
        frame.loc[chance.uniform(size=count) < missing, column] = np.nan
    seen = (memory.life > 0) & outside_gaps(memory.t_s, draw, chance)
    return frame[seen].reset_index(drop=True), float(np.median(shared[-count // 10 :]))


def _shared_pages(memory: Memory, draw: Chance, chance: Chance, tick_s: float, *, steps: bool) -> Numbers:
    """Return libraries and mapped files: faulted in at first, now and then dropped by the kernel and read again."""
    t_s, end_s = memory.t_s, memory.t_s[-1]
    pages = draw.uniform(5, 60) + log_uniform(draw, 0.02, 0.5) * ar1(
        chance, len(t_s), tick_s=tick_s, memory_s=log_uniform(draw, 5, 600)
    )
    faulted, tau_s = log_uniform(draw, 0.1, 10), log_uniform(draw, 30, 900)
    pages = pages - faulted * np.exp(-t_s / tau_s)
    dropped, kept, at_s = draw.uniform(1, 8), draw.uniform(), chance.uniform(0.1, 0.9) * end_s
    if steps and draw.uniform() < 0.25:
        back = np.exp(-np.clip(t_s - at_s, 0, None) / (3 * tau_s))
        pages = pages - np.where(t_s < at_s, 0, dropped * (kept + (1 - kept) * back))
    return np.clip(pages, 1, None) * MIB


def outside_gaps(t_s: Numbers, draw: Chance, chance: Chance) -> npt.NDArray[np.bool_]:
    """Return which readings were made; in half of the recordings the sampler stood still up to four times."""
    longest_s = 1200.0 if t_s[-1] > 3600 else t_s[-1] / 12
    gaps = int(draw.integers(1, 5)) if draw.uniform() < 0.5 else 0
    seen = np.ones(len(t_s), dtype=bool)
    for _ in range(gaps):
        begin_s = chance.uniform(0, t_s[-1])
        seen &= (t_s < begin_s) | (t_s > begin_s + np.exp(chance.uniform(np.log(20), np.log(longest_s))))
    return seen


def _at_start_of_life(requests: Numbers, life: npt.NDArray[np.int64]) -> Numbers:
    """Return, at each tick, the count at the start of its life: a counter of the process itself starts again at 0."""
    first = np.unique(life, return_index=True)
    starts = dict(zip(first[0].tolist(), requests[first[1]].tolist(), strict=True))
    return np.array([starts[number] for number in life.tolist()])


def _whole(values: Numbers, page: float) -> Numbers:
    return np.floor(values / page) * page
