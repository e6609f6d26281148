from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.external.frame import judge_frame
from analysis.judge import judge_signal
from analysis.judge.types import LEAK, NO_LEAK, Margin, Numbers
from tests.unit.analysis.judge.traces import MARGIN, MARGIN_PER_S, MIB, clock, frame, noise, readings

pytestmark = pytest.mark.slow

T_S = clock(2.0, 60.0)
QUICK = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
SEEDS = st.integers(0, 10_000)
SHAPES = st.sampled_from(["flat", "warm-up", "fill", "step", "sawtooth"])


def service(shape: str, seed: int, multiple: float) -> Numbers:
    """Return memory of this shape with a leak of so many margins."""
    extra = {
        "flat": np.zeros(len(T_S)),
        "warm-up": 30 * MIB * (1 - np.exp(-T_S / 300)),
        "fill": 40 * MIB * np.minimum(T_S / 2000, 1),
        "step": 15.0 * MIB * (T_S > 3000),
        "sawtooth": 10 * MIB * (T_S % 420) / 420,
    }[shape]
    return np.asarray(150 * MIB + noise(T_S, seed, 0.5, 0.5) + extra + multiple * MARGIN_PER_S * T_S)


@QUICK
@given(SHAPES, SEEDS, st.sampled_from([0.0, 1.0, 5.0]), st.floats(-50, 5000))
def test_shifting_memory_by_a_constant_changes_no_verdict(
    shape: str, seed: int, multiple: float, by_mib: float
) -> None:
    """What a process weighs at the start says nothing of whether it leaks."""
    value = service(shape, seed, multiple)
    before = judge_signal(readings(T_S, value), MARGIN, detectable=False)
    after = judge_signal(readings(T_S, value + by_mib * MIB), MARGIN, detectable=False)
    assert after.verdict == before.verdict


@QUICK
@given(SHAPES, SEEDS, st.sampled_from([0.0, 1.0, 5.0]), st.floats(0.5, 1000))
def test_scaling_units_changes_no_verdict(shape: str, seed: int, multiple: float, by: float) -> None:
    """Ten times the bytes against ten times the margin is the same question."""
    value = service(shape, seed, multiple)
    before = judge_signal(readings(T_S, value), MARGIN, detectable=False)
    after = judge_signal(readings(T_S, value * by), Margin(per_s=MARGIN_PER_S * by), detectable=False)
    assert after.verdict == before.verdict


@QUICK
@given(SHAPES, SEEDS, st.floats(0, 8), st.floats(0.1, 20))
def test_adding_a_leak_never_turns_leak_into_no_leak(
    shape: str, seed: int, multiple: float, added: float
) -> None:
    """More growth is never better news."""
    value = service(shape, seed, multiple)
    before = judge_signal(readings(T_S, value), MARGIN, detectable=False)
    after = judge_signal(readings(T_S, value + added * MARGIN_PER_S * T_S), MARGIN, detectable=False)
    assert not (before.verdict == LEAK and after.verdict == NO_LEAK)


@QUICK
@given(SHAPES, SEEDS, st.integers(1, len(T_S) - 1))
def test_splitting_a_file_changes_nothing(shape: str, seed: int, at: int) -> None:
    """A recording in two files, put together again, is the same recording."""
    whole = frame(T_S, service(shape, seed, 2.0))
    parts = pd.concat([whole.iloc[:at], whole.iloc[at:]])
    parts.attrs = dict(whole.attrs)
    assert judge_frame(parts, detectable=False) == judge_frame(whole, detectable=False)


@QUICK
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_no_numbers_crash_the_judge(rows: list[tuple[float, float, float]], in_order: bool) -> None:
    """Any floats at all in any column are judged, not raised."""
    table = np.array(sorted(rows, key=lambda row: row[0] if row[0] == row[0] else 0.0) if in_order else rows)
    table = table.reshape(-1, 3)
    found = judge_frame(frame(table[:, 0], np.abs(table[:, 1]), requests_total=table[:, 2]))
    assert found["verdict"] in {"leak", "no_leak", "inconclusive"}
