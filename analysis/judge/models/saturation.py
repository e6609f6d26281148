"""Whether what grows is better explained as something that fills up or slows down for ever."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.models.fitting import Fit, Model, Weigher, log_sum
from analysis.judge.models.search import SPARE, price

BEND: Final = 0.1
"""By this share a time constant may be other than one of the grid's."""


def filling_odds(weigher: Weigher, fits: tuple[Fit, ...]) -> float:
    """Return the log odds of the shapes that fill up, without a leak, against all ``fits``, which leak.

    A filling shape is an exponential towards a plateau or a logarithm that rises and slows down, in time or in
    requests. It comes after each cut that leaking shapes come after, with the steps and the load of the best of them.
    """
    best: dict[int, Fit] = {}
    for fit in fits:
        if fit.model.cut not in best or fit.total > best[fit.model.cut].total:
            best[fit.model.cut] = fit
    found = [total for fit in best.values() for total in _fillings(weigher, fit.model)]
    if not found:
        return -np.inf
    return log_sum(np.array(found)) - log_sum(np.array([fit.total for fit in fits]))


def _fillings(weigher: Weigher, best: Model) -> list[float]:
    """Return the log weights of the filling shapes that are like a leaking one in all else."""
    columns = weigher.columns
    steps = tuple(columns.steps[step] for step in best.steps)
    followed = set(columns.loads).union(*columns.rates)
    load = tuple(column for column in best.columns if column in followed)
    prior = price(columns, load, best.steps) - float(np.log(len(columns.fillings)))
    found = []
    for filling, bend in zip(columns.fillings, columns.filling_bends, strict=True):
        ways = ((), (bend,)) if bend is not None else ((),)
        for extra in ways:
            parts = (*columns.levels, *filling, *extra, *load, *steps)
            model = Model(parts, (), prior - float(np.log(len(ways))), best.cut, best.steps)
            if weigher.room(model, SPARE):
                fit = weigher.fit(model)
                if _rises(weigher, fit, filling, *extra):
                    found.append(fit.total)
    return found


def _rises(weigher: Weigher, fit: Fit, filling: tuple[int, ...], bend: int | None = None) -> bool:
    """Return whether the filling part of a model rises, and so slows down, and the bend is none but of its length."""
    place, beta, values = fit.model.columns.index, weigher.coefficients(fit), weigher.columns.values
    for column in filling:
        part = values[:, column] * beta[place(column)]
        used = np.flatnonzero(values[:, column])
        if len(used) and part[used[-1]] < part[used[0]]:
            return False
    if bend is None:
        return True
    most = max(abs(beta[place(column)]) for column in filling)
    return bool(abs(beta[place(bend)]) <= BEND * most)
