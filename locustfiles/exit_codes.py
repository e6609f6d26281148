"""The exit codes of Locust's processes: ours, never made from failed requests, which are for the report to judge."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
