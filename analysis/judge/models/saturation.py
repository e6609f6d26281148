"""Whether growth is better explained as something that fills up, or slows down for ever, than as a leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from analysis.judge.models import priors
from analysis.judge.models.fitting import CandidateModel, ModelFit, ModelFitter, log_sum_exp
from analysis.judge.models.search import SPARE_POINTS

MAX_TAU_CHANGE: Final = 0.1
"""Share by which a time constant may differ from one of the grid's."""


def saturation_log_odds(fitter: ModelFitter, fits: tuple[ModelFit, ...]) -> float:
    """Return the log odds of the models that saturate, without a leak, against all ``fits``, which leak.

    A saturating model is an exponential towards a plateau or a logarithm that rises and slows down, in time or in
    requests. It comes after each burn-in that leaking models come after, with the level shifts and the load of the best
    of them.
    """
    best: dict[int, ModelFit] = {}
    for fit in fits:
        if fit.model.burn_in not in best or fit.log_weight > best[fit.model.burn_in].log_weight:
            best[fit.model.burn_in] = fit
    found = [log_weight for fit in best.values() for log_weight in _log_weights(fitter, fit.model)]
    if not found:
        return -np.inf
    return log_sum_exp(np.array(found)) - log_sum_exp(np.array([fit.log_weight for fit in fits]))


def _log_weights(fitter: ModelFitter, leaking: CandidateModel) -> Iterator[float]:
    """Yield the log weights of the saturating models that are like a leaking one in all else."""
    design = fitter.design
    shifts = tuple(design.level_shifts[number] for number in leaking.level_shifts)
    load = tuple(column for column in leaking.columns if column in design.load)
    log_odds = priors.load_and_level_shifts(design, load, leaking.level_shifts)
    log_odds += priors.choice(len(design.saturations))
    for saturation, derivative in zip(design.saturations, design.saturation_derivatives, strict=True):
        ways: tuple[tuple[int, ...], ...] = ((), (derivative,)) if derivative is not None else ((),)
        for extra in ways:
            columns = (*design.intercepts, *saturation, *extra, *load, *shifts)
            price = log_odds + priors.choice(len(ways))
            model = CandidateModel(columns, (), price, leaking.burn_in, leaking.level_shifts)
            if fitter.has_room(model, SPARE_POINTS):
                fit = fitter.fit(model)
                if _slows_down(fitter, fit, saturation, *extra):
                    yield fit.log_weight


def _slows_down(
    fitter: ModelFitter, fit: ModelFit, saturation: tuple[int, ...], derivative: int | None = None
) -> bool:
    """Return whether a model's saturation rises, and its derivative changes no more than the time constant."""
    place, beta, values = fit.model.columns.index, fitter.coefficients(fit), fitter.design.values
    for column in saturation:
        part = values[:, column] * beta[place(column)]
        used = np.flatnonzero(values[:, column])
        if len(used) and part[used[-1]] < part[used[0]]:
            return False
    if derivative is None:
        return True
    most = max(abs(beta[place(column)]) for column in saturation)
    return bool(abs(beta[place(derivative)]) <= MAX_TAU_CHANGE * most)
