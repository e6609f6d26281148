from __future__ import annotations

import numpy as np

from analysis.judge.case import Case, fit_case
from analysis.judge.decision import decide
from analysis.judge.minimum_detectable import minimum_detectable_rate
from analysis.judge.points.binning import bin_series
from tests.unit.analysis.judge.traces import MARGIN_PER_S, MIB, clock, noise, readings

T_S = clock(2.0, 120.0)


def case() -> Case:
    points = bin_series(readings(T_S, 150 * MIB + noise(T_S, 1)))
    return fit_case(points, MARGIN_PER_S, least_noise=8192.0, alpha=0.025, bounded=None, settled=False)


def test_the_case_stays_as_it_is() -> None:
    """The minimum detectable leak is added to a copy: the decision on the case is the same before and after."""
    one = case()
    white, code = one.fitter.white.copy(), decide(one)
    assert minimum_detectable_rate(one) is not None
    assert (one.fitter.white == white).all()
    assert decide(one) == code


def test_a_leak_that_is_added_raises_every_rate_by_itself() -> None:
    """A fitter with a leak of two margins finds each model's rate two margins higher, with the error as it was."""
    one = case()
    added = 2 * MARGIN_PER_S / one.unit_per_s
    fitter = one.fitter.with_leak(added)
    for fit in one.fits[:20]:
        again = fitter.fit(fit.model)
        expected = fit.rate + added if one.design.clocks[0] in fit.model.trend else fit.rate
        assert np.allclose(again.rate, expected, rtol=1e-5, atol=1e-5 * added)
        assert np.allclose(again.error, fit.error, rtol=1e-3)
