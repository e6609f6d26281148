"""Which panels the figure of objects has."""

from __future__ import annotations

import json
from io import BytesIO

import pandas as pd
import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.figures.objects import (
    FINISHED,
    MOST_GAUGE_PANELS,
    MOSTLY_PENDING,
    SESSIONS,
    objects_figure,
    panels,
)
from tests.support.planted_incident import Build


def test_each_gauge_of_the_targets_has_a_panel(build_run: Build) -> None:
    """Beside tasks and sessions, under a title that a person reads."""
    assert panels(read_recording(build_run()))[2:] == (
        ("gauges.cache_entries", "Cache entries"),
        ("gauges.history_entries", "History entries"),
    )


def test_a_service_without_gauges_has_no_empty_panels(build_run: Build) -> None:
    """Nothing is drawn of what nobody registered."""
    assert panels(read_recording(build_run(probe=False))) == (FINISHED, SESSIONS)


def test_pending_tasks_are_drawn_where_they_are_more_than_finished_ones(build_run: Build) -> None:
    """A leak of tasks that never end has no finished ones: the other arm would look worse in their panel."""
    run_dir = build_run()
    path = run_dir / "leaky" / "samples.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.assign(tasks_alive="40000").to_csv(path, index=False)
    assert panels(read_recording(run_dir))[:3] == (FINISHED, MOSTLY_PENDING, SESSIONS)


def test_of_many_gauges_the_largest_have_panels(build_run: Build) -> None:
    """In the order of their names."""
    run_dir = build_run()
    path = run_dir / "leaky" / "samples.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows["gauges"] = json.dumps({f"gauge_{number}": number * 100_000 for number in range(9)})
    rows.to_csv(path, index=False)
    drawn = [column for column, _ in panels(read_recording(run_dir))[2:]]
    assert drawn == [f"gauges.gauge_{number}" for number in range(9 - MOST_GAUGE_PANELS, 9)]


@pytest.mark.usefixtures("planted_verdicts")
def test_a_gauge_of_one_arm_alone_is_drawn_for_it(build_run: Build) -> None:
    """The other arm, which did not register it, has no line."""
    run_dir = build_run()
    path = run_dir / "leaky" / "samples.csv"
    pd.read_csv(path, dtype=str, keep_default_na=False).assign(gauges="{}").to_csv(path, index=False)
    axes = objects_figure(report_contents(read_recording(run_dir))).axes
    assert [(one.get_title(loc="left"), len(one.lines)) for one in axes[2:]] == [
        ("Cache entries", 1),
        ("History entries", 1),
    ]


@pytest.mark.usefixtures("planted_verdicts")
def test_a_gauge_whose_name_looks_like_mathematics_is_drawn_as_it_is(build_run: Build) -> None:
    """It would end the report otherwise."""
    run_dir = build_run()
    path = run_dir / "leaky" / "samples.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.assign(gauges=json.dumps({"cost_$x_{$": 1})).to_csv(path, index=False)
    figure = objects_figure(report_contents(read_recording(run_dir)))
    figure.savefig(BytesIO())
    assert "Cost $x {$" in [one.get_title(loc="left") for one in figure.axes]


def test_a_long_name_of_a_gauge_stays_within_its_panel(build_run: Build) -> None:
    """Its title is cut: the panels would have no room beside it."""
    run_dir = build_run()
    path = run_dir / "leaky" / "samples.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.assign(gauges=json.dumps({"a" * 5000: 1})).to_csv(path, index=False)
    title = panels(read_recording(run_dir))[2][1]
    assert (len(title), title[:3], title[-2:]) == (48, "Aaa", "a…")
