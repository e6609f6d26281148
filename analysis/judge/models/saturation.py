"""Whether growth is better explained as something that fills up, or slows down for ever, than as a leak."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np

from analysis.judge.models import priors
from analysis.judge.models.design_matrix import SATURATION_LOG_SCALES, SATURATION_POWERS, SATURATION_TAUS
from analysis.judge.models.fitting import CandidateModel, ModelFit, ModelFitter, log_sum_exp
from analysis.judge.models.search import SPARE_POINTS, WARM_UP_PRIOR_TAUS

MAX_CHANGE: Final = 0.1
"""Share by which a time constant may differ from one of the grid's, and by how much an exponent may be above it."""
CHANGES: Final = (
    *((-MAX_CHANGE, MAX_CHANGE) for _ in SATURATION_TAUS),
    *((0.0, 0.0) for _ in SATURATION_LOG_SCALES),
    *((-power, MAX_CHANGE) for power in SATURATION_POWERS),
)
"""By saturation: least and greatest change of its time constant or exponent. An exponent may fall to 0 over the run, as
that of a finite set of labels does when the rarest are met."""
FORMS: Final = (SATURATION_TAUS, SATURATION_LOG_SCALES, SATURATION_POWERS)
FORM_LOG_ODDS: Final = tuple(
    priors.choice(len(FORMS)) + priors.choice(len(form)) for form in FORMS for _ in form
)
"""By saturation: its prior log odds; exponentials, logarithms and powers are equally likely, as are those of a form."""


def saturation_log_odds(fitter: ModelFitter, fits: tuple[ModelFit, ...]) -> float:
    """Return the log odds of the models that saturate, without a leak, against all ``fits``, which leak.

    A saturating model is an exponential towards a plateau, a logarithm or a power that rises and slows down, in time or
    in requests. It comes after each burn-in that leaking models come after, with the level shifts and the load of the
    best of them, and with or without its warm-up: a leaking model with one bends, too.
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
    warm_ups: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    for tau, warm_up in zip(WARM_UP_PRIOR_TAUS, design.warm_ups, strict=True):
        if set(warm_up) <= set(leaking.columns):
            warm_ups.append((warm_up, priors.warm_up(tau, len(design.warm_ups))))
    clocks = len(design.clocks)
    models: list[CandidateModel] = []
    shapes: list[tuple[tuple[int, ...], tuple[float, float], tuple[int, ...]]] = []
    for saturation, derivative, change, odds_of_form in zip(
        design.saturations,
        design.saturation_derivatives,
        CHANGES * clocks,
        FORM_LOG_ODDS * clocks,
        strict=True,
    ):
        ways: tuple[tuple[int, ...], ...] = ((), (derivative,)) if derivative is not None else ((),)
        for extra, (warm_up, odds) in product(ways, warm_ups):
            columns = (*design.intercepts, *warm_up, *saturation, *extra, *load, *shifts)
            price = log_odds + odds + odds_of_form + priors.choice(len(ways))
            model = CandidateModel(columns, (), price, leaking.burn_in, leaking.level_shifts)
            if fitter.has_room(model, SPARE_POINTS):
                models.append(model)
                shapes.append((saturation, change, extra))
    for fit, (saturation, change, extra) in zip(fitter.fit_all(models), shapes, strict=True):
        if _slows_down(fitter, fit, saturation, change, *extra):
            yield fit.log_weight


def _slows_down(
    fitter: ModelFitter,
    fit: ModelFit,
    saturation: tuple[int, ...],
    change: tuple[float, float],
    derivative: int | None = None,
) -> bool:
    """Return whether a model's saturation rises, and its derivative is within the change that is allowed."""
    place, beta, values = fit.model.columns.index, fitter.coefficients(fit), fitter.design.values
    for column in saturation:
        part = values[:, column] * beta[place(column)]
        used = np.flatnonzero(values[:, column])
        if len(used) and part[used[-1]] < part[used[0]]:
            return False
    if derivative is None:
        return True
    most = max(abs(beta[place(column)]) for column in saturation)
    return bool(change[0] * most <= beta[place(derivative)] <= change[1] * most)
