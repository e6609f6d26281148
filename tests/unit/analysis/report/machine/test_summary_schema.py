from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.summary import summary_json
from analysis.report.machine.summary_schema import summary_schema
from tests.support.paths import ROOT

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

PUBLISHED = ROOT / "docs" / "summary.schema.json"


def summary(run_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(summary_json(report_contents(read_recording(run_dir))))
    return content


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(PUBLISHED.read_text()))


def test_the_published_schema_is_of_this_version() -> None:
    """``python -m analysis.report.machine.summary_schema > docs/summary.schema.json`` renews it."""
    published = json.loads(PUBLISHED.read_text())
    assert published == summary_schema()
    meta.validate(published)


@pytest.mark.parametrize(
    "truth",
    [
        {},
        {"incident": False, "roles": ("", "")},
        {"incident": False, "roles": ("before",)},
        {"status": "interrupted", "status_detail": "Ctrl-C", "end_s": 41.0, "probe": False},
        {"status": "running", "end_s": 15.0},
    ],
    ids=["incident", "plain", "one arm", "interrupted", "not yet loaded"],
)
def test_every_summary_is_valid(
    build_run: Build, validator: Draft202012Validator, truth: dict[str, Any]
) -> None:
    """Whatever became of the run, a program finds the keys it was promised, and no others."""
    assert [error.message for error in validator.iter_errors(summary(build_run(**truth)))] == []


def test_another_content_is_not_valid(build_run: Build, validator: Draft202012Validator) -> None:
    """A key that is missing, one too many, a word that is none of the verdicts, and text for a number are seen."""
    good = json.dumps(summary(build_run()))
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda content: content.pop("gates"),
        lambda content: content.update(more=1),
        lambda content: content["verdicts"][0].update(verdict="maybe"),
        lambda content: content["arms"][0]["load"].update(planned="many"),
        lambda content: content["verdicts"][0]["signals"][0].pop("oom"),
        lambda content: content.update(summary_version=1),
    )
    for change in changes:
        content = json.loads(good)
        change(content)
        assert not validator.is_valid(content)
