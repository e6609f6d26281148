"""Directories of runs with planted summaries, as a report writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from soak.contract import MANIFEST, REPORT, SUMMARY

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
MARGIN = 200.0
"""Bytes per request."""


def summary(number: int, leak: float, half: float = 10.0, **others: Any) -> dict[str, Any]:
    """Return what a history reads of the summary of run ``number``, whose candidate leaks so many bytes per request.

    ``half`` is half the width of the interval; ``others`` replace keys.
    """
    rates = {"value": leak, "low": leak - half, "high": leak + half}
    verdict = "leak" if leak - half > MARGIN else "no_leak" if leak + half < MARGIN else "inconclusive"
    signals = [
        {"signal": "tasks_alive", "per_s": rates, "per_request": rates},
        {"signal": "held_bytes", "per_s": rates, "per_request": rates},
    ]
    verdicts = [
        {
            "arm": name,
            "verdict": verdict,
            "margin": {"per_s": None, "per_request": MARGIN},
            "leading_signal": "held_bytes",
            "signals": signals,
        }
        for name in ("old", "new")
    ]
    arm = {
        "limit_bytes": 2**30,
        "latency_ms": {"p99": 12.0 + number % 3},
        "rss_end_bytes": 70e6 + 1000 * number,
    }
    return {
        "summary_version": 8,
        "run_id": f"run-{number:02d}",
        "profile": "shop",
        "started_wall_time": (FIRST + timedelta(days=number)).isoformat(),
        "status": "complete",
        "planned_load_s": 3600.0,
        "signoff": {"decision": "failed" if verdict == "leak" else "signed", "candidate": "new"},
        "verdicts": verdicts,
        "arms": [{"name": name, "build": f"{number:x}" * 40, **arm} for name in ("old", "new")],
    } | others


def write_summary(runs: Path, name: str, content: dict[str, Any]) -> Path:
    """Write the manifest and the summary of a run, and return its directory."""
    report = runs / name / REPORT
    report.mkdir(parents=True)
    (report / SUMMARY).write_text(json.dumps(content))
    (runs / name / MANIFEST).write_text(json.dumps({"status": content.get("status")}))
    return runs / name


def write_history(runs: Path, leaks: list[float], **others: Any) -> Path:
    """Write a run for each leak, in this order, and return the directory of the runs."""
    for number, leak in enumerate(leaks, start=1):
        write_summary(runs, f"run-{number:02d}", summary(number, leak, **others))
    return runs
