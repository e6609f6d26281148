"""An arm of several processes as one: their readings summed, over stretches in which they stay the same.

What meets the memory limit, and what a request of the arm leaves behind, is the sum over its processes: one that
leaks among five that do not is the whole leak. Where a process comes or goes the sum steps, and a new stretch begins,
as a new life does where there is one process.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from analysis.recording.accounting import OF_PROCESS
from soak.contract import SAMPLE_COLUMNS

if TYPE_CHECKING:
    from analysis.recording.model import Life

NOT_SUMMED: Final = frozenset(column.name for column in SAMPLE_COLUMNS if not column.additive)
"""Columns of samples.csv that the processes of an arm share, or that do not add up; every other column is summed."""


def overlap(samples: pd.DataFrame) -> bool:
    """Whether any tick read more than one process."""
    return bool((samples.groupby("t_s")["life"].nunique() > 1).any())


def as_one(samples: pd.DataFrame, processes: tuple[Life, ...]) -> tuple[pd.DataFrame, tuple[Life, ...]]:
    """Return one row a tick, with ``life`` the number of its stretch, and the stretches as lives.

    ``samples`` has one row per process and tick, sorted; rows of one tick share their
    ``t_s``. The sums are those of ``soak.contract.process_sum``, with NaN for None, but that of a column of OF_PROCESS
    is NaN also where a process has no reading of it at all.
    """
    by_tick = samples.groupby("t_s")
    # Numbers of lives only rise, so who is there cannot change without their count or their sum.
    count, total = by_tick["life"].size(), by_tick["life"].sum()
    begins = (count != count.shift()) | (total != total.shift())
    readings = [name for name in samples.columns if name not in NOT_SUMMED]
    known = samples.groupby("life")[readings].transform("count") > 0
    known.loc[:, known.columns.isin(OF_PROCESS)] = True
    missing = (samples[readings].isna() & known).groupby(samples["t_s"]).any()
    rows = by_tick.first()
    rows[readings] = by_tick[readings].sum(min_count=1).mask(missing)
    rows["life"] = begins.cumsum().astype(float)
    stretches = [
        (frozenset(int(life) for life in samples.loc[samples["t_s"] == first_s, "life"]), float(first_s))
        for first_s in begins.index[begins]
    ]
    return rows.reset_index()[list(samples.columns)], _lives(stretches, processes)


def _lives(stretches: list[tuple[frozenset[int], float]], processes: tuple[Life, ...]) -> tuple[Life, ...]:
    """Return each stretch, its members and first tick, as a life: of the oldest member, ended by who left first.

    Of several that left between two ticks a kill for memory is the one that counts.
    """
    known = {process.number: process for process in processes}
    lives = []
    for index, (members, first_s) in enumerate(stretches):
        main = known.get(min(members))
        if main is None:
            continue  # no event names it: its rows are all there is
        if index and min(members) in stretches[index - 1][0]:
            main = replace(main, start_s=first_s, ready_s=first_s)
        if index + 1 < len(stretches):
            after, next_s = stretches[index + 1]
            left = sorted((known[one] for one in members - after if one in known), key=lambda one: one.end_s)
            killed = next((one for one in left if one.oom_killed), None)
            first_out = killed or (main if min(members) not in after else left[0] if left else None)
            main = replace(
                main,
                end_s=next_s if first_out is None else min(first_out.end_s, next_s),
                ended_by=None if first_out is None else first_out.ended_by,
            )
        lives.append(replace(main, number=index + 1))
    return tuple(lives)
