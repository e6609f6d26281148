from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.incident.checks import stable_check
from analysis.incident.comparison import comparison_rows
from analysis.incident.row import ComparisonRow
from analysis.recording.measurements import Measurement, MemoryGrowth
from analysis.recording.read import read_recording

Build = Callable[..., Path]

TASKS_KEPT = "before kept 13,360 finished tasks, at least 10,000; "


def rows(run_dir: Path) -> dict[str, ComparisonRow]:
    """Return the rows by their measure."""
    return {row.measure: row for row in comparison_rows(read_recording(run_dir))}


def test_the_planted_run_reproduces_the_incident(build_run: Build) -> None:
    """Every row but memory at start reproduces, because both variants use the same libraries."""
    verdicts = {measure: row.reproduced for measure, row in rows(build_run()).items()}
    assert verdicts == {
        "memory at start": "no",
        "after 1 h": "yes",
        "after 2 h": "yes",
        "after 3 h": "yes",
        "after 4 h": "yes",
        "after 6 h": "yes",
        "leaked tasks": "yes",
        "leaked sessions": "yes",
        "cache size": "yes",
    }


def test_memory_is_shown_as_measured_and_at_the_incidents_scale(build_run: Build) -> None:
    """The growth above hour 0, times 16, on the incident's start: beside the real megabytes, never instead."""
    row = rows(build_run())["after 1 h"]
    assert row.measured_before_raw == pytest.approx(78e6 + 650e6 / 16)
    assert row.incident_scale_before_raw == pytest.approx(850e6)
    assert row.measured_after_raw == pytest.approx(78e6 + 1e6 / 6, rel=1e-6)
    assert row.incident_scale_after_raw == pytest.approx(180e6 + 16e6 / 6, rel=1e-6)
    assert (row.measured_before, row.measured_after, row.measured_change) == (
        "119 MB (850 MB)",
        "78 MB (183 MB)",
        "-79%",
    )


STABLE = "; after is at 101.3% of its hour 0, within 10% of it"
NOT_IN_TIME = ", not OOM-killed between hours 5 and 6"


@pytest.mark.parametrize(
    ("truth", "outcomes"),
    [
        (
            {"after_start_bytes": 63e6, "growth_share": 1.14, "tasks_after": 49},
            {
                "memory at start": ("yes", "after idles -10.0% from before, between -15% and -5%"),
                "after 2 h": (
                    "yes",
                    "before grew 114 MB, x 16 = 1.8 GB, within 15% of the incident's 1.6 GB",
                ),
                "leaked tasks": ("yes", TASKS_KEPT + "after kept 49 of them, fewer than 50"),
            },
        ),
        (
            {"after_start_bytes": 80e6, "growth_share": 1.16, "tasks_after": 50},
            {
                "memory at start": ("no", "after idles +14.3% from before, not between -15% and -5%"),
                "after 2 h": (
                    "no",
                    "before grew 116 MB, x 16 = 1.9 GB, not within 15% of the incident's 1.6 GB",
                ),
                "leaked tasks": ("no", TASKS_KEPT + "after kept 50 of them, not fewer than 50"),
            },
        ),
        (
            {"growth_share": 0.84, "after_growth_bytes": 48e6},
            {
                "after 1 h": (
                    "no",
                    "before grew 34 MB, x 16 = 546 MB, not within 15% of the incident's 650 MB; "
                    "after is at 110.3% of its hour 0, not within 10% of it, "
                    "and grew 8.0 MB, x 16 = 128 MB, more than the incident's 40 MB",
                ),
                "after 4 h": (
                    "no",
                    "before grew 257 MB, x 16 = 4.1 GB, not within 15% of the incident's 4.9 GB",
                ),
            },
        ),
        (
            {"kill_hour": 4.9},
            {"after 6 h": ("no", f"before was OOM-killed by kernel at 4:54 h{NOT_IN_TIME}{STABLE}")},
        ),
        (
            {"killed_by": "itself"},
            {"after 6 h": ("no", f"before ended by itself at 5:36 h{NOT_IN_TIME}{STABLE}")},
        ),
        (
            {"killed_by": "watchdog"},
            {"after 6 h": ("yes", f"before was OOM-killed by watchdog at 5:36 h{STABLE}")},
        ),
        (
            {"kill_hour": None, "growth_share": 0.5},
            {
                "after 6 h": (
                    "no",
                    f"before was not OOM-killed: it reached 296 MB under its limit of 512 MB{STABLE}",
                )
            },
        ),
        (
            {"kill_hour": None},
            {"after 6 h": ("yes", f"before reached 512 MB under its limit of 512 MB{STABLE}")},
        ),
        (
            {"kill_hour": 1.0},
            {
                "leaked sessions": (
                    "yes",
                    "before kept 295 open sessions, at least 100; after kept 4 of them, fewer than 10",
                )
            },
        ),
    ],
)
def test_each_rule_holds_both_ways(
    build_run: Build, truth: dict[str, Any], outcomes: dict[str, tuple[str, str]]
) -> None:
    """A planted truth inside a tolerance is yes, one outside is no, and the rule says by which numbers."""
    found = rows(build_run(**truth))
    assert {measure: (found[measure].reproduced, found[measure].rule) for measure in outcomes} == outcomes


def test_an_hour_after_the_kill_is_not_measurable(build_run: Build) -> None:
    """The second life has a start of its own: its memory is not passed off as growth of the first."""
    row = rows(build_run(kill_hour=2.5))["after 3 h"]
    assert (row.reproduced, row.rule) == ("not measurable", "leaky was OOM-killed by kernel at 2:30 h")
    assert (row.measured_before, row.measured_before_raw, row.measured_change) == ("not measured", None, "")


def test_a_run_cut_short_is_measured_as_far_as_it_goes(build_run: Build) -> None:
    """Hours that were recorded are compared, later ones are not measurable and say so."""
    found = rows(build_run(status="interrupted", end_s=91.0))
    assert [found[f"after {hour} h"].reproduced for hour in (1, 2, 3, 6)] == [
        "yes",
        "yes",
        "not measurable",
        "not measurable",
    ]
    assert found["after 3 h"].rule == "leaky has no reading of its memory at 3:00 h"
    assert found["after 6 h"].rule == (
        "the load ended at 2:18 h, before that could happen; fixed has no reading of its memory at 6:00 h"
    )


def test_an_arm_without_a_probe_has_no_objects(build_run: Build) -> None:
    """What was never read is not measurable, not zero."""
    found = rows(build_run(probe=False))
    assert found["after 1 h"].reproduced == "yes"
    assert (
        found["leaked tasks"].rule
        == "leaky has no reading of tasks_finished; fixed has no reading of tasks_finished"
    )
    assert {found[measure].reproduced for measure in ("leaked tasks", "leaked sessions", "cache size")} == {
        "not measurable"
    }


def set_cache(run_dir: Path, arm: str, values: Callable[[float], str]) -> None:
    """Replace the gauge of the cache by a function of t_s; "" where it was not read."""
    path = run_dir / arm / "samples.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    read = [values(float(t_s)) for t_s in frame["t_s"]]
    frame["gauges"] = [f'{{"cache_entries": {value}}}' if value else "" for value in read]
    frame.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("values", "reproduced"),
    [
        (lambda t_s: f"{60 * t_s:.0f}", "yes"),
        (lambda t_s: f"{min(60 * t_s, 6000):.0f}", "no"),
        (lambda t_s: f"{60 * t_s if t_s < 180 else 60 * t_s - 3000:.0f}", "no"),
        (lambda t_s: f"{20 * t_s:.0f}", "no"),
        (lambda t_s: f"{60 * t_s:.0f}" if t_s < 23 else "", "not measurable"),
    ],
)
def test_the_cache_before_must_grow_to_its_end(
    build_run: Build, values: Callable[[float], str], reproduced: str
) -> None:
    """A cache that grows is unbounded; one with a larger bound, one that evicts and a small one are not."""
    run_dir = build_run()
    set_cache(run_dir, "leaky", values)
    assert rows(run_dir)["cache size"].reproduced == reproduced


def test_the_cache_after_must_stay_within_its_bound(build_run: Build) -> None:
    """One entry more than the incident's bound is no."""
    run_dir = build_run()
    set_cache(run_dir, "fixed", lambda t_s: "5001" if t_s > 100 else "5000")
    row = rows(run_dir)["cache size"]
    assert (row.reproduced, row.measured_change) == ("no", "")
    assert row.rule.endswith("after held 5,001, not at most 5,000")


def test_memory_at_an_hour_is_a_median(build_run: Build) -> None:
    """One reading that sticks out at the hour does not decide the row."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    lines = path.read_text().splitlines()
    at_hour = next(i for i, line in enumerate(lines) if line.startswith("51.002"))
    cells = lines[at_hour].split(",")
    cells[7] = "400000000"
    lines[at_hour] = ",".join(cells)
    path.write_text("\n".join([*lines, ""]))
    assert rows(run_dir)["after 1 h"].reproduced == "yes"


def test_a_profile_that_is_not_the_incidents_is_not_judged(build_run: Build) -> None:
    """Before and after stand side by side, with no incident and no verdict."""
    found = comparison_rows(
        read_recording(build_run(incident=False, roles=("", ""), kill_hour=None, growth_share=0.1))
    )
    assert [(row.measure, row.measured_before, row.measured_after, row.measured_change) for row in found] == [
        ("memory at start", "66.8 MiB", "66.8 MiB", "0%"),
        ("at start of load", "74.5 MiB", "74.4 MiB", "0%"),
        ("at end of load", "116 MiB", "75.3 MiB", "-35%"),
        ("highest memory", "116 MiB", "75.3 MiB", "-35%"),
        ("finished tasks still referenced", "14,400", "3", "-100%"),
        ("pending tasks", "not measured", "not measured", ""),
        ("sessions open", "361", "4", "-99%"),
        ("cache entries", "14,400", "5,000", "-65%"),
        ("history entries", "14,400", "5,000", "-65%"),
    ]
    assert {(row.incident_before, row.incident_after, row.reproduced, row.rule) for row in found} == {
        ("", "", "", "")
    }


def test_the_ends_of_a_load_do_not_depend_on_the_length_of_an_hour(build_run: Build) -> None:
    """A run that is no scaled incident has hours of 3,600 s; its ends are the same few seconds of its load."""
    run_dir = build_run(incident=False, roles=("", ""), kill_hour=None, growth_share=0.1)
    path = run_dir / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hour_s": 3600.0}))
    found = rows(run_dir)
    assert found["at start of load"].measured_before == "74.5 MiB"
    assert found["at end of load"].measured_before == "116 MiB"


def test_an_arm_alone_is_shown_alone(build_run: Build) -> None:
    """One target without a role fills the first side and leaves the other empty."""
    found = rows(build_run(incident=False, roles=("",)))
    assert (found["highest memory"].measured_before, found["highest memory"].measured_after) == (
        "484 MiB",
        "",
    )


def test_after_may_grow_as_the_incidents_did() -> None:
    """At 1:1 twenty megabytes are a quarter of an interpreter, and a fifth of what the incident's after gained."""
    grown = MemoryGrowth(start=Measurement(70e6), now=Measurement(90e6))
    check = stable_check(grown, incident_bytes=100e6, scale=1)
    assert check.met
    assert check.sentence == (
        "after is at 128.6% of its hour 0, not within 10% of it, but grew 20 MB, no more than the incident's 100 MB"
    )
    assert not stable_check(grown, incident_bytes=100e6, scale=16).met
    assert (
        stable_check(MemoryGrowth(Measurement(0.0), Measurement(90e6)), incident_bytes=100e6, scale=1).met
        is None
    )
