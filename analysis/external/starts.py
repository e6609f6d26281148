"""Start times of processes: that of one may be read a second apart."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.external.cells import moments
from analysis.judge.types import Numbers

CLOCK_STEP_S: Final = 1.5
"""Greatest difference of two start times of one process, seconds: Linux may round the boot time, from which a client
computes its start, up or down by a whole second."""
CLOCK_FRACTION_S: Final = 0.002
"""How far such a difference may be from a whole second, seconds."""
LEAST_STEP_SHARE: Final = 0.5
"""Shortest time between two rows, as a share of their mean, down to which they are of one process that is read at
equal steps: those of processes side by side come together."""


def same_starts(start_s: Numbers) -> Numbers:
    """Return the number of the process of each start time, shape (n,); equal within the accuracy of a clock."""
    values, number = np.unique(start_s, return_inverse=True)
    process = np.zeros(len(values))
    firsts: list[float] = []
    for place, value in enumerate(values):
        step = value - firsts[-1] if firsts else np.inf
        if step > CLOCK_STEP_S or abs(step - round(step)) > CLOCK_FRACTION_S:
            firsts.append(value)
        process[place] = len(firsts) - 1
    return process[number]


def one_name_per_start(process: list[str], t_s: Numbers) -> list[str]:
    """Return the process of each row, with one name for start times of one process that differ by a second.

    ``t_s``, seconds, is the time of each row, NaN where it is not known. Rows that come together are of several
    processes, which may have been started at once.
    """
    names = list(dict.fromkeys(process))
    if len(names) < 2 or (start_s := moments(names)) is None:
        return process
    of_name = dict(zip(names, same_starts(start_s), strict=True))
    number = np.array([of_name[name] for name in process])
    renamed: dict[float, str] = {}
    for one in dict.fromkeys(of_name.values()):
        alike = [name for name in names if of_name[name] == one]
        if len(alike) > 1 and _takes_equal_steps(t_s[(number == one) & np.isfinite(t_s)]):
            renamed[one] = alike[0]
    return [renamed.get(of_name[name], name) for name in process]


def _takes_equal_steps(t_s: Numbers) -> bool:
    steps_s = np.diff(t_s)
    return len(steps_s) > 0 and float(steps_s.min()) >= LEAST_STEP_SHARE * float(steps_s.mean())
