"""The file formats of a run directory: names, units and meaning of all that is recorded.

Everything that writes or reads a recording takes its names from here. ``t_s`` is seconds since the run's start on
the monotonic clock. An empty cell was not read; it is never 0. Sizes are bytes.

    runs/<id>/manifest.json          what ran, where, with which configuration, and how it ended
              events.csv             starts, phases, kills, restarts, missed readings
              traffic.json           the planned load, as passed to Locust
              live.json              the verdict so far, replaced while the run goes on
              <arm>/samples.csv      a row every every_s of each process
              <arm>/census.csv       objects by type, read from outside every census_every_s and on the quiesce ladder
              <arm>/containers.csv   lengths of the containers that grew, from the same censuses
              <arm>/holders.csv      the path that retains each container and type that grows, found without load
              <arm>/stuck.csv        pending tasks after the load, and which of them nothing can wake
              <arm>/requests.csv     one row per second of load
              <arm>/latency.hlog     HDR histogram log (standard format): tags "latency" and "service", microseconds
              logs/                  the output of every process
              SHA256SUMS             hashes of these files except live.json, written at the end of the run
              test-result.json       in-toto statement of the result, unsigned, written with each report
              report/                made from the other files, at any time
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 2
"""The version of all files of a recording.

History: 1, the first; 2, all gauges stand in the column ``gauges``, ``cache_entries`` and ``history_entries`` among
them, and census.csv has no column ``by`` and no rows by the probe.
"""
READABLE_SCHEMAS: Final = (1, 2)
"""Versions of the recordings that a report can be made of."""

MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.csv"
TRAFFIC: Final = "traffic.json"
LIVE: Final = "live.json"
SAMPLES: Final = "samples.csv"
CENSUS: Final = "census.csv"
CONTAINERS: Final = "containers.csv"
HOLDERS: Final = "holders.csv"
STUCK: Final = "stuck.csv"
REQUESTS: Final = "requests.csv"
LATENCY_LOG: Final = "latency.hlog"
LOGS: Final = "logs"
SUMS: Final = "SHA256SUMS"
STATEMENT: Final = "test-result.json"
"""Name of the in-toto statement about the run."""
REPORT: Final = "report"
SUMMARY: Final = "summary.json"
"""Name of the summary for programs, in the report."""

LATENCY_TAG: Final = "latency"
SERVICE_TAG: Final = "service"
ROUND_TRIP_TAG: Final = "round_trip"
HISTOGRAM_LOWEST_US: Final = 1
HISTOGRAM_HIGHEST_US: Final = 60_000_000
HISTOGRAM_DIGITS: Final = 3
