"""Whether what grows is better explained as something that fills up or slows down for ever."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from analysis.judge.average import MAX_STEPS, SPARE, STEP_LOG_ODDS, Fit, Model, Weigher


def filling_odds(weigher: Weigher, fits: tuple[Fit, ...]) -> float:
    """Return the log odds of the shapes that fill up, without a leak, against those that leak.

    A filling shape is an exponential towards a plateau or a logarithm, with at most two steps; it counts where it rises
    and slows down. Both sides are averaged over their shapes and noises.
    """
    columns = weigher.columns
    found: list[Fit] = []
    cuts = {max(fits, key=lambda fit: fit.total).model.cut, 0}
    sets = [(), *columns.rates]
    for cut in cuts:
        for filling in columns.fillings:
            for rate in sets:
                prior = -float(np.log(len(columns.fillings) * len(sets)))
                model = Model((*columns.levels, *filling, *rate), (), prior, cut)
                if len(model.columns) > weigher.sizes[cut] - SPARE:
                    continue
                fit = weigher.fit(model)
                for number in range(MAX_STEPS + 1):
                    if weigher.rises(fit.model, filling):
                        found.append(fit)
                    pool = np.array(columns.steps, dtype=np.intp)
                    if number == MAX_STEPS or len(pool) == 0 or len(fit.model.columns) + 1 > weigher.sizes[cut] - SPARE:
                        break
                    prior_step = STEP_LOG_ODDS[number] - float(np.log(len(pool)))
                    place = weigher.best_addition(fit, pool, np.full(len(pool), prior_step))
                    if place is None:
                        break
                    more = (*fit.model.columns, int(pool[place]))
                    fit = weigher.fit(Model(more, (), fit.model.log_prior + prior_step, cut))
    if not found:
        return -np.inf
    return float(logsumexp([fit.total for fit in found]) - logsumexp([fit.total for fit in fits]))
