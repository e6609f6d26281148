"""Gauges of the target as columns, from recordings of either schema."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.recording.gauges import MOST_GAUGES, gauge_names, spread_gauges
from analysis.recording.read import read_recording
from tests.support.planted_incident import Build


def test_each_gauge_gets_a_column() -> None:
    """Numbers by name; what is damaged, no number or not finite was not read, and other columns stay."""
    cells = [
        '{"pool": 2.5, "jobs": 3}',
        '{"pool": 4}',
        "",
        '{"pool": "x", "jobs": NaN}',
        '{"po',
        "[1]",
        '{"jobs": true}',
        '{"pool": 1%s}' % ("0" * 400),
        "[" * 100_000,
    ]
    found = spread_gauges(pd.DataFrame({"t_s": range(9), "gauges": cells}))
    assert list(found.columns) == ["t_s", "gauges.jobs", "gauges.pool"]
    np.testing.assert_array_equal(found["gauges.pool"], [2.5, 4, *[np.nan] * 7])
    np.testing.assert_array_equal(found["gauges.jobs"], [3, *[np.nan] * 8])


def test_an_arm_without_gauges_has_no_columns_of_them() -> None:
    """Nor has one of which nothing was read."""
    assert list(spread_gauges(pd.DataFrame({"t_s": [1.0], "gauges": ["{}"]})).columns) == ["t_s"]
    assert list(spread_gauges(pd.DataFrame({"t_s": [], "gauges": []}, dtype=str)).columns) == ["t_s"]


def test_a_value_beyond_all_counts_was_not_read() -> None:
    """No limit, as the largest number there is, has no place in a figure."""
    texts = [json.dumps({"rows": 5, "limit": 1.7e308}), json.dumps({"rows": 6, "limit": 2**63})]
    found = spread_gauges(pd.DataFrame({"gauges": texts}))
    assert found["gauges.rows"].tolist() == [5, 6]
    assert np.isnan(found["gauges.limit"][0])
    assert found["gauges.limit"][1] == 2**63


def test_names_are_bounded() -> None:
    """A target may give its gauges new names at each reading: those that come first are read."""
    texts = [json.dumps({"steady": row, f"new_{row}": 1}) for row in range(3 * MOST_GAUGES)]
    found = spread_gauges(pd.DataFrame({"gauges": texts}))
    assert len(found.columns) == MOST_GAUGES
    assert found["gauges.steady"].tolist() == list(range(3 * MOST_GAUGES))
    assert found["gauges.new_0"].notna().sum() == 1


def test_recordings_of_schema_1_have_their_gauges_under_the_same_names(build_run: Build) -> None:
    """Two had columns of their own, the rest shared one; what was never read is no gauge of the arm."""
    new = build_run()
    expected = [arm.samples for arm in read_recording(new).arms]
    as_schema_1(new)
    recording = read_recording(new)
    assert recording.gaps == ()
    assert recording.manifest.schema_version == 1
    for arm, samples in zip(recording.arms, expected, strict=True):
        assert gauge_names([arm.samples]) == ("cache_entries", "pool")
        pd.testing.assert_series_equal(arm.samples["gauges.cache_entries"], samples["gauges.cache_entries"])


def as_schema_1(run_dir: Path) -> None:
    """Rewrite a recording as one of schema 1; its history was never read, and it has a gauge named pool."""
    manifest = json.loads((run_dir / "manifest.json").read_text())
    (run_dir / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 1}))
    for path in run_dir.glob("*/samples.csv"):
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        gauges = [json.loads(text or "{}") for text in rows["gauges"]]
        rows["cache_entries"] = [one.get("cache_entries", "") for one in gauges]
        rows["history_entries"] = ""
        rows["other_gauges"] = '{"pool": 2.5}'
        rows.drop(columns="gauges").to_csv(path, index=False)
