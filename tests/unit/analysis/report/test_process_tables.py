"""The table of an arm's processes."""

from __future__ import annotations

import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.process_tables import process_tables
from tests.support.planted_incident import Build
from tests.support.planted_processes import PlantedProcess, write_processes


@pytest.mark.usefixtures("planted_verdicts")
def test_rates_are_in_the_clock_of_the_margin(build_run: Build) -> None:
    """Per hour where the margin is; 1,000 bytes at each of 80 requests a second are 275 MiB in an hour."""
    run_dir = build_run(incident=False, kill_hour=None, judge={"max_leak_bytes_per_s": 300.0})
    steady, leak = PlantedProcess(noise_bytes=0.0), PlantedProcess(rss_bytes=1000.0, noise_bytes=0.0)
    write_processes(run_dir, "leaky", (steady, leak))
    (table,) = process_tables(report_contents(read_recording(run_dir)))
    assert table.rows[0] == (
        "child 302 (life 2)", "whole load", "51.8 MiB", "grows", "275 MiB/h", "274.6 MiB to 274.7 MiB"
    )  # fmt: skip
    assert table.rows[1][4] == "0 B/h"


def test_a_process_without_a_rate_has_none(build_run: Build) -> None:
    """It lived for six seconds of the load."""
    run_dir = build_run(incident=False, kill_hour=None)
    write_processes(run_dir, "leaky", (PlantedProcess(), PlantedProcess(from_s=30.0, to_s=36.0)))
    (table,) = process_tables(report_contents(read_recording(run_dir)))
    assert table.rows[1] == ("child 302 (life 2)", "9 s to 15 s", "38.1 MiB", "undecided", "-", "-")
