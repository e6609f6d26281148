"""``summary.json``: the report for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any, Final

from analysis.growth.arm import ArmGrowth
from analysis.recording.gauges import PREFIX, gauge_names
from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.measurements import peak
from analysis.recording.model import Arm
from analysis.report.contents import ReportContents
from analysis.report.gates import gate_rows
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.validity import LoadSummary
from analysis.verdict.wording import verdict_sentence

SUMMARY_VERSION: Final = 5
"""History: 1, the first; 2, with claims, timeline, r_squared of slopes and sessions_open_per_request; 3, with verdicts,
gates and signoff; 4, with grew; 5, with incident in the keys that said article."""

LEFT_OUT: Final = (
    "candidate",
    "baseline",
    "margin",
    "arms",
    "judge",
    "gates",
    "host",
    "config",
    "seed",
    "locustfile_sha256",
)
"""Keys of the manifest that the summary does not repeat."""

GROWTH_KEYS: Final = {"suspects": "growers", "breakdown": "waterfall"}
"""Keys of an arm's growth that have another name in the summary."""

PEAKS: Final = (
    "rss_bytes",
    "cgroup_bytes",
    "tasks_finished",
    "sessions_open",
)
"""Columns whose highest readings the summary gives, beside those of all gauges."""


def summary_json(findings: ReportContents) -> str:
    """Return the text of ``summary.json``; what was not measured is null."""
    manifest = findings.recording.manifest
    content = {
        "summary_version": SUMMARY_VERSION,
        **manifest.model_dump(mode="json", exclude=set(LEFT_OUT)),
        "conclusive": not findings.reasons,
        "reasons": findings.reasons,
        "signoff": asdict(findings.judged.signoff),
        "verdicts": [_verdict(verdict) for verdict in findings.judged.verdicts],
        "gates": [asdict(row) for row in gate_rows(findings.judged)],
        "grew": [_growth(arm) for arm in findings.growth],
        "phases": [asdict(phase) for phase in findings.recording.phases],
        "arms": [
            _arm(findings, arm, load)
            for arm, load in zip(findings.recording.arms, findings.loads, strict=True)
        ],
        "comparison": [asdict(row) for row in findings.rows],
        "claims": [asdict(claim) for claim in findings.claims],
        "timeline": [asdict(line) for line in findings.timeline],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _growth(arm: ArmGrowth) -> dict[str, Any]:
    found: dict[str, Any] = _finite(asdict(arm))
    return {GROWTH_KEYS.get(name, name): value for name, value in found.items()}


def _verdict(verdict: ArmVerdict) -> dict[str, Any]:
    return {
        "arm": verdict.arm,
        "verdict": verdict.verdict,
        "sentence": verdict_sentence(verdict),
        "margin": asdict(verdict.margin),
        "leading_signal": verdict.leading.judgement.signal if verdict.leading else None,
        "headroom_bytes": verdict.headroom_bytes,
        "signals": [
            {
                **_finite(asdict(signal.judgement)),
                "margin": asdict(signal.margin),
                "settled": signal.settled,
                "held_by_allocator": signal.explained_by_allocator,
            }
            for signal in verdict.signals
        ],
    }


def _finite(value: Any) -> Any:
    """Return the same with null for what is infinite or not a number: a time that never comes."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _arm(findings: ReportContents, arm: Arm, load: LoadSummary) -> dict[str, Any]:
    return {
        "name": arm.name,
        "role": arm.role,
        "limit_bytes": arm.limit_bytes,
        "lives": [asdict(life) for life in arm.lives],
        "oom_kills": sum(life.oom_killed for life in arm.lives),
        "peaks": {
            **{name: peak(arm, PREFIX + name).value for name in gauge_names([arm.samples])},
            **{column: peak(arm, column).value for column in PEAKS},
        },
        "slopes": [asdict(trend) for trend in findings.slopes if trend.arm == arm.name],
        "load": {**asdict(load), "arrived": load.arrived},
        "latency_ms": _quantiles(arm.latency.latency_ms),
        "service_ms": _quantiles(arm.latency.service_ms),
        "notes": arm.notes,
    }


def _quantiles(values: tuple[float, ...] | None) -> dict[str, float] | None:
    return None if values is None else dict(zip(QUANTILE_NAMES, values, strict=True))
