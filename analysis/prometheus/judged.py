"""The verdict on every service, and the whole as a recording: what a report of a run shows is shown of it, too."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import INCONCLUSIVE, LEAK, Margin
from analysis.prometheus.question import Found, Question
from analysis.prometheus.services import Service, services
from analysis.recording.latency import Latency
from analysis.recording.manifest import Manifest
from analysis.recording.model import Arm, Life, Phase, Recording
from analysis.recording.read import SAMPLE_NUMBERS
from analysis.verdict.arm import JudgedArm, series_verdict
from analysis.verdict.decision import FAMILY_ERROR
from analysis.verdict.gates import leak_gate
from analysis.verdict.run import JudgedRun
from analysis.verdict.signals import RSS
from analysis.verdict.signoff import watched
from analysis.verdict.validity import load_summary
from soak.contract import LOAD, REQUEST_COLUMNS, SAMPLE_COLUMNS, SCHEMA_VERSION

ORDER: Final = {LEAK: 0, INCONCLUSIVE: 1}
FILE_PAGES: Final = (
    "The query counts file pages, which the kernel takes back when it needs them: what grows may be a cache of files. "
    "container_memory_rss and process_resident_memory_bytes do not count them."
)


@dataclass(frozen=True, slots=True)
class JudgedServices:
    """The services with their verdicts."""

    recording: Recording
    judged: JudgedRun
    services: tuple[Service, ...]
    notes: tuple[str, ...]
    """Sentences on the whole, and on each service by its name."""


def judge_services(found: Found, url: str, margin: Margin, limit_bytes: int | None) -> JudgedServices:
    """Judge every service by itself, with the family-wise error divided among them.

    Their memory is never added up: such a sum jumps with every roll-out, and does not name the one that leaks.
    ``limit_bytes`` is the memory limit of each. Leaks come first, then what is open.
    """
    found_services = services(found)
    error = FAMILY_ERROR / max(len(found_services), 1)
    by_name = {
        one.name: series_verdict(
            one.name,
            one.readings,
            margin,
            limit_bytes,
            error=error,
            objections=one.objections,
        )
        for one in found_services
    }
    each = tuple(sorted(found_services, key=lambda one: ORDER.get(by_name[one.name].verdict, len(ORDER))))
    recording = _recording(found, url, each, margin, limit_bytes)
    arms = tuple(
        JudgedArm(arm, load_summary(arm, recording.load), one.objections, by_name[one.name])
        for arm, one in zip(recording.arms, each, strict=True)
    )
    verdicts = tuple(arm.verdict for arm in arms)
    judged = JudgedRun(arms, tuple(map(leak_gate, verdicts)), watched(verdicts), ())
    notes = (
        *((FILE_PAGES,) if found.question.memory.counts_files else ()),
        *(f"{one.name}: {note}." for one in each for note in one.notes),
    )
    return JudgedServices(recording, judged, each, notes)


def _recording(
    found: Found, url: str, each: tuple[Service, ...], margin: Margin, limit_bytes: int | None
) -> Recording:
    question = found.question
    load = Phase(LOAD, 0.0, question.span.length_s)
    arms = tuple(_arm(one, limit_bytes) for one in each)
    return Recording(Path(), _manifest(question, url, each, margin, limit_bytes), (load,), arms, ())


def _arm(service: Service, limit_bytes: int | None) -> Arm:
    readings = service.readings
    rows = pd.DataFrame(
        {"t_s": readings.t_s, "life": readings.life, RSS: readings.value, readings.signal: readings.value}
    )
    lives = tuple(
        Life(int(float(str(number))), None, float(those.min()), float(those.min()), float(those.max()), None)
        for number, those in rows.groupby("life")["t_s"]
    )
    return Arm(
        name=service.name,
        role="",
        limit_bytes=limit_bytes,
        lives=lives,
        samples=_with_columns(rows, SAMPLE_NUMBERS).assign(phase=LOAD),
        ladder=_with_columns(rows[:0], tuple(column.name for column in SAMPLE_COLUMNS)),
        points=_with_columns(rows[:0], tuple(column.name for column in SAMPLE_COLUMNS)),
        requests=_requests(service),
        latency=Latency(),
        notes=service.notes,
    )


def _requests(service: Service) -> pd.DataFrame:
    """Return the requests answered up to each reading since the one before it; no rows where they are not known."""
    readings, rows = service.readings, pd.DataFrame()
    if service.requests_known:
        t_s, places = np.unique(readings.t_s, return_index=True)
        gained = np.maximum(np.diff(readings.requests[places], prepend=readings.requests[places[:1]]), 0.0)
        rows = pd.DataFrame({"t_s": t_s, "ok": gained})
    return _with_columns(rows, tuple(column.name for column in REQUEST_COLUMNS)).assign(phase=LOAD)


def _with_columns(rows: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return rows with columns that have no reading; all of them share their memory."""
    nothing = np.full(len(rows), np.nan)
    known = {str(name): rows[name].to_numpy(float) for name in rows}
    return pd.DataFrame(dict.fromkeys(names, nothing) | known, copy=False)


def _manifest(
    question: Question, url: str, each: tuple[Service, ...], margin: Margin, limit_bytes: int | None
) -> Manifest:
    began = datetime.fromtimestamp(question.span.start_s, UTC)
    queries = {
        "url": url,
        "query": question.memory.text,
        "requests_query": question.requests.text if question.requests else "",
        "start_query": question.starts.text if question.starts else "",
    }
    return Manifest.model_validate(
        {
            "schema_version": SCHEMA_VERSION,
            "run_id": f"prometheus-{datetime.fromtimestamp(question.span.end_s, UTC):%Y%m%dT%H%M%SZ}",
            "profile": "prometheus",
            "started_wall_time": began,
            "status": "complete",
            "status_detail": "",
            "limit_mechanism": "none" if limit_bytes is None else "its owner",
            "hour_s": 3600.0,
            "memory_scale": 1.0,
            "incident": False,
            "planned_load_s": 0.0,
            "every_s": _usual_step(each),
            "missed_readings": {},
            "python": platform.python_version(),
            "attached": True,
            "arms": [{"name": one.name, "role": "", "memory_limit_bytes": limit_bytes} for one in each],
            "candidate": None,
            "baseline": None,
            "margin": {"max_leak_bytes_per_s": margin.per_s},
            "prometheus": queries,
        }
    )


def _usual_step(each: tuple[Service, ...]) -> float:
    steps = [float(np.median(steps)) for one in each if len(steps := np.diff(np.unique(one.readings.t_s)))]
    return min(steps, default=1.0)
