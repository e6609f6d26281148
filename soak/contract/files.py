"""Names of the files of a run directory, and their schema version; docs/reference/file-formats.md has their content."""

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
