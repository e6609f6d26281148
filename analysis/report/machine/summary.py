"""``summary.json``: the report for programs, and its JSON schema.

``python -m analysis.report.machine.summary > docs/summary.schema.json`` publishes the schema, which a test checks.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from analysis.growth.memory_breakdown import MemoryBreakdown
from analysis.growth.stuck import StuckTasks
from analysis.growth.suspect import LeakSuspect
from analysis.growth.trends import TypeGrowth
from analysis.incident.claims import Claim
from analysis.incident.row import ComparisonRow
from analysis.judge.types import Judgement, Margin, Rate, Verdict
from analysis.recording.gauges import PREFIX, gauge_names
from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.manifest import RunFacts
from analysis.recording.measurements import peak, rss_at_end
from analysis.recording.model import Life, Phase, Recording
from analysis.recording.replay import Site
from analysis.report.contents import ReportContents
from analysis.report.gates import GateRow, gate_rows
from analysis.report.story import LeakStory
from analysis.slopes import LifeSlopes
from analysis.verdict.arm import ArmVerdict, JudgedArm
from analysis.verdict.comparability import conditions_sha256
from analysis.verdict.injected import ControlResult, InjectedControl
from analysis.verdict.processes import ProcessRow
from analysis.verdict.signoff import SignOff
from analysis.verdict.validity import LoadSummary
from analysis.verdict.wording import verdict_sentence
from soak.contract import InjectedLeak

SUMMARY_VERSION: Final = 8
"""History: 1, the first; 2, with claims, timeline, r_squared of slopes and sessions_open_per_request; 3, with verdicts,
gates and signoff; 4, with grew; 5, with incident instead of article in the keys, and
reason_code of signals; 6, with processes and control; 7, with build and rss_end_bytes of arms; 8, with story, sites,
replay, the stuck tasks of grew, replay_of and conditions_sha256."""
PEAKS: Final = ("rss_bytes", "cgroup_bytes", "tasks_finished", "sessions_open")
"""Columns whose highest readings the summary gives, beside those of all gauges."""
MOST_LIVES: Final = 1000
"""Number of lives of an arm in the summary, the longest ones, and of processes: more would make a file that is too
large to be read."""


class SummaryPart(BaseModel):
    """An object of the summary; other keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSummary(Judgement):
    """A signal with its judgement."""

    margin: Margin
    settled: bool
    accuses: bool


class Quantiles(SummaryPart):
    """Quantiles of a latency, ms."""

    model_config = ConfigDict(serialize_by_alias=True)

    p50: float
    p90: float
    p99: float
    p99_9: float = Field(alias="p99.9")
    max: float


class VerdictSummary(SummaryPart):
    """The verdict on an arm."""

    arm: str
    verdict: Verdict
    sentence: str
    margin: Margin
    leading_signal: str | None
    headroom_bytes: float | None
    reserve_bytes: float | None
    signals: tuple[SignalSummary, ...]


class GrowthSummary(SummaryPart):
    """The growth of an arm."""

    arm: str
    censuses: int
    growers: tuple[LeakSuspect, ...] = Field(validation_alias="suspects")
    types: tuple[TypeGrowth, ...]
    stuck: StuckTasks | None
    waterfall: MemoryBreakdown | None = Field(validation_alias="breakdown")


class ArmSummary(SummaryPart):
    """An arm, its lives and its load."""

    name: str
    role: str
    build: str | None
    limit_bytes: int | None
    lives: tuple[Life, ...]
    oom_kills: int
    rss_end_bytes: float | None
    peaks: dict[str, float | None]
    slopes: tuple[LifeSlopes, ...]
    load: LoadSummary
    latency_ms: Quantiles | None
    service_ms: Quantiles | None
    notes: tuple[str, ...]


class ControlSummary(SummaryPart):
    """The copy of the candidate into which a leak was injected; rates as the margin is."""

    leak: InjectedLeak
    injected_bytes: int
    called_by: tuple[str, ...]
    measured: Rate | None
    own: Rate | None
    result: ControlResult
    verdict: VerdictSummary
    arm: ArmSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSummary(Site):
    """A site of an arm, as in sites.csv."""

    arm: str


class ReplaySummary(SummaryPart):
    """What the replay of an arm came to."""

    status: Literal["done", "refused", "interrupted"]
    reason: str
    seconds: float
    requests: int
    explained_share: float | None


class SummaryHead(BaseModel):
    """The key that comes first."""

    summary_version: Literal[8] = SUMMARY_VERSION


class Summary(RunFacts, SummaryHead):
    """The content of ``summary.json``; what was not measured, or is infinite, is null."""

    model_config = ConfigDict(extra="forbid")

    conditions_sha256: str
    conclusive: bool
    reasons: tuple[str, ...]
    signoff: SignOff
    verdicts: tuple[VerdictSummary, ...]
    control: ControlSummary | None
    gates: tuple[GateRow, ...]
    story: tuple[LeakStory, ...]
    grew: tuple[GrowthSummary, ...]
    sites: tuple[SiteSummary, ...]
    replay: dict[str, ReplaySummary]
    phases: tuple[Phase, ...]
    arms: tuple[ArmSummary, ...]
    processes: tuple[ProcessRow, ...]
    comparison: tuple[ComparisonRow, ...]
    claims: tuple[Claim, ...]
    timeline: tuple[Claim, ...]


def summary_json(contents: ReportContents) -> str:
    """Return the text of ``summary.json``."""
    judged = contents.judged
    summary = Summary(
        **{name: getattr(contents.recording.manifest, name) for name in RunFacts.model_fields},
        conditions_sha256=conditions_sha256(contents.recording.manifest),
        conclusive=not contents.reasons,
        reasons=contents.reasons,
        signoff=judged.signoff,
        verdicts=tuple(_verdict(verdict) for verdict in judged.verdicts),
        control=None if judged.control is None else _control(contents.recording, judged.control),
        gates=gate_rows(judged),
        story=contents.stories,
        grew=tuple(GrowthSummary.model_validate(arm) for arm in contents.growth),
        sites=tuple(SiteSummary(arm=one.arm, **asdict(site)) for one in contents.sites for site in one.rows),
        replay={one.arm: ReplaySummary.model_validate(one) for one in contents.sites},
        phases=contents.recording.phases,
        arms=tuple(_arm(contents.recording, one, contents.slopes) for one in judged.arms),
        processes=contents.processes[:MOST_LIVES],
        comparison=contents.rows,
        claims=contents.claims,
        timeline=contents.timeline,
    )
    return summary.model_dump_json(indent=1) + "\n"


def _verdict(verdict: ArmVerdict) -> VerdictSummary:
    return VerdictSummary(
        arm=verdict.arm,
        verdict=verdict.verdict,
        sentence=verdict_sentence(verdict),
        margin=verdict.margin,
        leading_signal=verdict.leading.judgement.signal if verdict.leading else None,
        headroom_bytes=verdict.headroom_bytes,
        reserve_bytes=verdict.reserve_bytes,
        signals=tuple(
            SignalSummary(
                **{name: getattr(signal.judgement, name) for name in Judgement.__dataclass_fields__},
                margin=signal.margin,
                settled=signal.settled,
                accuses=signal.accuses,
            )
            for signal in verdict.signals
        ),
    )


def _control(recording: Recording, control: InjectedControl) -> ControlSummary:
    return ControlSummary(
        leak=control.leak,
        injected_bytes=control.injected_bytes,
        called_by=control.called_by,
        measured=control.measured,
        own=control.own,
        result=control.result,
        verdict=_verdict(control.copy.verdict),
        arm=_arm(recording, control.copy, ()),
    )


def _arm(recording: Recording, judged: JudgedArm, slopes: tuple[LifeSlopes, ...]) -> ArmSummary:
    arm = judged.arm
    lives = _longest(arm.lives)
    known = {life.number for life in lives}
    return ArmSummary(
        name=arm.name,
        role=arm.role,
        build=arm.build,
        limit_bytes=arm.limit_bytes,
        lives=lives,
        oom_kills=judged.verdict.oom_kills,
        rss_end_bytes=rss_at_end(recording, arm),
        peaks={
            **{name: peak(arm, PREFIX + name).value for name in gauge_names([arm.samples])},
            **{column: peak(arm, column).value for column in PEAKS},
        },
        slopes=tuple(one for one in slopes if one.arm == arm.name and one.life in known),
        load=judged.load,
        latency_ms=_quantiles(arm.latency.latency_ms),
        service_ms=_quantiles(arm.latency.service_ms),
        notes=arm.notes,
    )


def _longest(lives: tuple[Life, ...]) -> tuple[Life, ...]:
    """Return MOST_LIVES of the lives, in their order: a service may restart more often than a file can be read."""
    longest = sorted(lives, key=lambda life: life.start_s - life.end_s)[:MOST_LIVES]
    kept = {life.number for life in longest}
    return tuple(life for life in lives if life.number in kept)


def _quantiles(values: tuple[float, ...] | None) -> Quantiles | None:
    return (
        None if values is None else Quantiles.model_validate(dict(zip(QUANTILE_NAMES, values, strict=True)))
    )


class SummarySchema(GenerateJsonSchema):
    """Every key is required, no other is allowed, and null stands for a number without end."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:  # noqa: D102
        finite = schema.get("allow_inf_nan") is False
        return super().float_schema(schema) if finite else {"type": ["number", "null"]}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002, D102
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ARG002, D102 - pydantic's
        return True

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:  # noqa: D102
        return super().dataclass_schema(schema) | {"additionalProperties": False}


def summary_schema() -> dict[str, Any]:
    """Return the JSON schema of ``summary.json``, draft 2020-12."""
    schema = Summary.model_json_schema(mode="serialization", schema_generator=SummarySchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    print(json.dumps(summary_schema(), indent=1))
