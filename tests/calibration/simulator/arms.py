"""Arms of runs that never were: the readings of each second or quiesce point, part by part, with a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.judge.types import Numbers
from analysis.recording.accounting import OWN, POOLS_SEEN, account_arm, account_processes
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Phase
from analysis.recording.process_sum import as_one, overlap
from analysis.verdict.signals import BYTES_EACH, LIMITS
from soak.contract import LOAD, POINT, RUNGS
from tests.calibration.simulator.accounts import COLUMNS, accounts
from tests.calibration.simulator.lives import Lived, add_up, live
from tests.calibration.simulator.noise import Chance
from tests.calibration.simulator.readings import outside_gaps
from tests.calibration.simulator.simulate import day

Places = npt.NDArray[np.int64]

PROBED: Final = [column for column in COLUMNS if "malloc" in column]
UNREAD: Final = (
    "rss_bytes",
    "uss_bytes",
    "cgroup_bytes",
    "cgroup_file_bytes",
    "cgroup_kernel_bytes",
    "gc_collected",
    "probe_ms",
    *BYTES_EACH,
    *LIMITS.values(),
)
"""Columns that an arm has and that are not simulated."""
POINTS: Final = (20, 65)
"""Least and most quiesce points of a run that has any."""
CENSUS_EVERY: Final = 6
"""Ticks between two censuses: half a minute."""


@dataclass(frozen=True, slots=True)
class ArmTrace:
    """An arm and the truth about it."""

    arm: Arm
    load: Phase
    leak: float
    """Bytes per second."""
    decidable: bool
    """As of ``Trace``."""


def simulate_arm(
    kind: str,
    seed: int,
    *,
    hours: float = 4.0,
    tick_s: float = 5.0,
    multiple: float = 0.0,
    replay: int = 0,
    added: float = 0.0,
    quiesced: bool | None = None,
) -> ArmTrace:
    """Return the arm of this kind and seed, always the same: the memory of ``simulate``, in parts.

    ``quiesced`` is whether it is read at quiesce points, too; None: every other service. Of one in ten no requests are
    recorded. Raises KeyError for an unknown kind.
    """
    made = day(kind, seed, hours=hours, tick_s=tick_s, multiple=multiple, replay=replay, added=added)
    draw, chance, t_s = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2]), made.t_s
    hold = accounts(kind, made.service, made.base, draw)
    lived = live(made.service, made.draw, made.chance, t_s, made.requests, made.noise, hold)
    count, every_other = int(draw.integers(*POINTS)), bool(draw.uniform() < 0.5)
    points = count if (every_other if quiesced is None else quiesced) else 0
    rows = _rows(lived, made.base, t_s, np.linspace(0, len(t_s) - 1, points).astype(int), draw, chance)
    rows = account_processes(rows, {})
    if overlap(rows):
        rows, _ = as_one(rows, ())
    rows = account_arm(rows)
    seconds = rows[rows["rung"] == ""].reset_index(drop=True)
    requests = pd.DataFrame({"t_s": t_s - 1, "ok": np.diff(np.floor(made.requests), prepend=0.0)})
    arm = Arm(
        name="simulated",
        role="",
        limit_bytes=None,
        lives=(),
        samples=seconds,
        ladder=_ladder(seconds, draw),
        points=rows[rows["rung"] == POINT].reset_index(drop=True),
        requests=requests if draw.uniform() < 0.9 else requests.iloc[:0],
        latency=Latency(),
        notes=(),
    )
    decidable = made.decidable(add_up(lived, made.base).settled)
    return ArmTrace(arm, Phase(LOAD, 0.0, float(t_s[-1])), made.leak, decidable)


def _rows(
    lived: tuple[Lived, ...], base: float, t_s: Numbers, points: Places, draw: Chance, chance: Chance
) -> pd.DataFrame:
    """Return the readings of all processes, in order of time; a quiesce point follows the reading of its tick."""
    missing = draw.choice([0.0, 0.0, 0.001, 0.02])
    seen = outside_gaps(t_s, draw, chance)
    starts = sorted(
        (int(np.flatnonzero(one.life == number)[0]), process, number)
        for process, one in enumerate(lived)
        for number in np.unique(one.life[one.life > 0])
    )
    numbers = {(process, number): 1.0 + place for place, (_, process, number) in enumerate(starts)}
    tables = []
    for process, one in enumerate(lived):
        life = np.array([numbers.get((process, number), np.nan) for number in one.life.tolist()])
        for rung, at, read in (
            ("", np.flatnonzero(seen & (one.life > 0)), one.read[: len(COLUMNS)]),
            (POINT, points[one.life[points] > 0], one.read[len(COLUMNS) :]),
        ):
            table = pd.DataFrame(dict(zip(COLUMNS, read[:, at], strict=True)))
            table["anon_bytes"] += base / len(lived)
            table.loc[chance.uniform(size=len(at)) < missing, PROBED] = np.nan
            table.loc[(rung == POINT) | (at % CENSUS_EVERY != 0), POOLS_SEEN] = np.nan
            tables.append(table.assign(t_s=t_s[at] + 0.5 * (rung == POINT), life=life[at], rung=rung))
    rows = pd.concat(tables).sort_values(["t_s", "life"], kind="stable", ignore_index=True)
    # The charge of the limit's cgroup is that of all processes.
    rows["cgroup_shmem_bytes"] = rows.groupby("t_s")["cgroup_shmem_bytes"].transform("sum")
    return rows.assign(shmem_bytes=0.0, **dict.fromkeys(UNREAD, np.nan))


def _ladder(seconds: pd.DataFrame, draw: Chance) -> pd.DataFrame:
    """Return the quiesce ladder: what malloc has free is given back when trimmed, but for pages that are in use."""
    last = seconds.ffill().iloc[-1]
    given_back = draw.uniform(0.8, 1.0) * last["malloc_free_bytes"]
    own = [last[OWN], last[OWN], last[OWN] - given_back]
    return pd.DataFrame({"rung": list(RUNGS), OWN: own})
