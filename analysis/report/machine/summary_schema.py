"""The JSON schema of summary.json, made from what it is written from.

``python -m analysis.report.machine.summary_schema > docs/summary.schema.json`` publishes it, which a test checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter

from analysis.growth.arm import ArmGrowth
from analysis.incident.claims import Claim
from analysis.incident.row import ComparisonRow
from analysis.judge.types import Judgement, Margin
from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.manifest import Manifest
from analysis.recording.model import Life, Phase
from analysis.report.gates import GateRow
from analysis.report.machine.summary import GROWTH_KEYS, LEFT_OUT, PEAKS, SUMMARY_VERSION
from analysis.slopes import LifeSlopes
from analysis.verdict.signoff import SignOff
from analysis.verdict.validity import LoadSummary

Schema = dict[str, Any]

NUMBER_OR_NULL: Final[Schema] = {"type": ["number", "null"]}
TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TRUTH: Final[Schema] = {"type": "boolean"}


def summary_schema() -> Schema:
    """Return the schema, draft 2020-12; every key is required and no other is allowed."""
    definitions: Schema = {}

    def of(kind: type, *, finite: bool = True) -> Schema:
        """Return the schema of a dataclass; where not ``finite``, null stands for a number without end."""
        schema = TypeAdapter(kind).json_schema(mode="serialization", ref_template="#/$defs/{model}")
        schema = _plain(schema if finite else _changed(schema, _nullable))
        definitions.update(schema.pop("$defs", {}))
        return schema

    margin = of(Margin)
    signal = _with(of(Judgement, finite=False), margin=margin, settled=TRUTH, held_by_allocator=TRUTH)
    verdict = _object(
        arm=TEXT,
        verdict={"enum": ["leak", "no_leak", "inconclusive"]},
        sentence=TEXT,
        margin=margin,
        leading_signal={"type": ["string", "null"]},
        headroom_bytes=NUMBER_OR_NULL,
        signals=_list(signal),
    )
    quantiles = {
        "anyOf": [_object(**{name: {"type": "number"} for name in QUANTILE_NAMES}), {"type": "null"}]
    }
    arm = _object(
        name=TEXT,
        role=TEXT,
        limit_bytes={"type": ["integer", "null"]},
        lives=_list(of(Life)),
        oom_kills=COUNT,
        peaks={**_object(**dict.fromkeys(PEAKS, NUMBER_OR_NULL)), "additionalProperties": NUMBER_OR_NULL},
        slopes=_list(of(LifeSlopes)),
        load=_with(of(LoadSummary), arrived=NUMBER_OR_NULL),
        latency_ms=quantiles,
        service_ms=quantiles,
        notes=_list(TEXT),
    )
    growth = of(ArmGrowth, finite=False)
    growth["properties"] = {GROWTH_KEYS.get(key, key): value for key, value in growth["properties"].items()}
    growth["required"] = list(growth["properties"])
    manifest = _plain(Manifest.model_json_schema(mode="serialization"))["properties"]
    content = _object(
        summary_version={"const": SUMMARY_VERSION},
        **{key: value for key, value in manifest.items() if key not in LEFT_OUT},
        conclusive=TRUTH,
        reasons=_list(TEXT),
        signoff=of(SignOff),
        verdicts=_list(verdict),
        gates=_list(of(GateRow)),
        grew=_list(growth),
        phases=_list(of(Phase)),
        arms=_list(arm),
        comparison=_list(of(ComparisonRow)),
        claims=_list(of(Claim)),
        timeline=_list(of(Claim)),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"summary.json of a soakproof report, version {SUMMARY_VERSION}",
        **content,
        "$defs": definitions,
    }


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _with(schema: Schema, **more: Schema) -> Schema:
    return {**schema, **_object(**schema["properties"], **more)}


def _plain(schema: Schema) -> Schema:
    """Return the schema without titles and defaults, closed to further keys."""

    def plain(part: Schema) -> Schema:
        kept = {key: value for key, value in part.items() if key != "default" and not _is_title(key, value)}
        more = {"additionalProperties": False} if "properties" in part else {}
        return {**kept, **more}

    closed: Schema = _changed(schema, plain)
    return closed


def _is_title(key: str, value: object) -> bool:
    return key == "title" and isinstance(value, str)


def _nullable(part: Schema) -> Schema:
    return {**part, **NUMBER_OR_NULL} if part.get("type") == "number" else part


def _changed(value: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return the same with every object in it changed, from the inside out."""
    if isinstance(value, dict):
        return change({key: _changed(item, change) for key, item in value.items()})
    return [_changed(item, change) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    print(json.dumps(summary_schema(), indent=1))
