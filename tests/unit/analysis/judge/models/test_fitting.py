from __future__ import annotations

from random import Random

import numpy as np

from analysis.judge.case import fit_case
from analysis.judge.points.binning import bin_series
from tests.unit.analysis.judge.traces import MARGIN_PER_S, MIB, clock, noise, readings

T_S = clock(2.0, 120.0)


def test_a_model_has_one_fit_alone_and_among_others() -> None:
    """To the last digit, in the order in which they are asked for, whatever their shapes are."""
    points = bin_series(readings(T_S, 150 * MIB + MARGIN_PER_S * T_S + noise(T_S, 1)))
    case = fit_case(points, MARGIN_PER_S, least_noise=8192.0, alpha=0.025, bounded=None, settled=False)
    models = [fit.model for fit in case.fits]
    Random(1).shuffle(models)
    assert len({(model.burn_in, len(model.columns)) for model in models}) > 5
    found = case.fitter.fit_all(models)
    assert [fit.model for fit in found] == models
    for fit in found[::10]:
        alone = case.fitter.fit(fit.model)
        assert alone.log_weight == fit.log_weight
        for name in ("log_weights", "rate", "error"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(fit, name))
    assert case.fitter.fit_all(()) == []
