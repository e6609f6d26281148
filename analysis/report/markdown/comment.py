"""``report.md``: the report as a comment on a pull request, or as a step's summary; the verdict first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from analysis.formatting import short_build
from analysis.report.contents import ReportContents
from analysis.report.explanation import decided
from analysis.report.growth_tables import suspect_tables
from analysis.report.markdown.table import literal, markdown_table
from analysis.report.process_tables import process_tables
from analysis.report.story import QUESTIONS, LeakStory
from analysis.report.tables import Table, comparison_table, gate_table, load_table, open_reasons
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import control_line, verdict_sentence
from soak.contract import verdict_name

MOST_COMMENT_BYTES: Final = 60_000
"""GitHub takes 65,536 characters in a comment."""


def report_markdown(contents: ReportContents) -> str:
    """Return the comment, below MOST_COMMENT_BYTES in UTF-8: the last sections are left out where they do not fit."""
    manifest, judged = contents.recording.manifest, contents.judged
    stories = {story.arm: story for story in contents.stories}
    running = ["", "The run is not over, or it was killed: this report covers what was recorded so far."]
    head = [
        f"## {literal(judged.signoff.sentence)}.",
        *(running if manifest.status == "running" else []),
        "",
        *(line for one in judged.verdicts for line in _verdict(one, stories.get(one.arm))),
        *([] if judged.control is None else [f"- {literal(control_line(judged.control))}"]),
        *(f"- {literal(reason)}." for reason in contents.reasons),
    ]
    sections = [
        _gates(judged),
        _folded(comparison_table(contents).without("incident change", "scale")),
        *(_folded(table) for table in (*process_tables(contents), *suspect_tables(contents.growth))),
        [] if manifest.attached else _folded(load_table(contents)),
        _details("How it was decided", [f"{literal(text)}\n" for text in decided(contents)]),
        _provenance(contents),
    ]
    text = "\n".join([*head, ""])
    left_out = "\nThe rest is in report.html.\n"
    for lines in sections:
        more = "\n".join(["", *lines, ""]) if lines else ""
        if len((text + more + left_out).encode()) > MOST_COMMENT_BYTES:
            return _cut(text, MOST_COMMENT_BYTES - len(left_out.encode())) + left_out
        text += more
    return text


def _verdict(verdict: ArmVerdict, story: LeakStory | None) -> Iterator[str]:
    """Yield the line of an arm, and below it the story of its leak."""
    yield f"- **{literal(verdict.arm)}: {verdict_name(verdict.verdict)}**: {literal(verdict_sentence(verdict))}."
    for step in story.steps if story else ():
        if not any(line.code for line in step.lines):
            yield f"  - {QUESTIONS[step.question]}: {literal(step.text)}."
            continue
        yield f"  - {QUESTIONS[step.question]}:"
        for line in step.lines:
            code = f"<br><code>{literal(line.code)}</code>" if line.code else ""
            yield f"    - {literal(line.text)}{code}"


def _gates(judged: JudgedRun) -> list[str]:
    table = gate_table(judged)
    if table is None:
        return []
    why = [f"- {literal(gate)}: {literal(reason)}." for gate, reason in open_reasons(judged)]
    return [*markdown_table(table.without("reason")), *(["", *why] if why else [])]


def _folded(table: Table) -> list[str]:
    return _details(literal(table.caption), markdown_table(table)) if table.rows else []


def _details(title: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]


def _provenance(contents: ReportContents) -> list[str]:
    manifest = contents.recording.manifest
    revision = manifest.host.get("soakproof_revision")
    facts = [
        f"run {manifest.run_id}",
        f"profile {manifest.profile}",
        f"{manifest.started_wall_time:%Y-%m-%d %H:%M} UTC",
        f"Python {manifest.python}",
        f"memory limit: {manifest.limit_source}",
        *(f"build of {arm.name}: {short_build(arm.build)}" for arm in contents.recording.arms if arm.build),
        *([f"soakproof {revision}"] if revision else []),
    ]
    return [literal(", ".join(facts)) + "."]


def _cut(text: str, most_bytes: int) -> str:
    return text if len(text.encode()) <= most_bytes else text.encode()[:most_bytes].decode(errors="ignore")
