"""``report.html``: one file, nothing loaded from elsewhere, that a release manager can sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.report.contents import ReportContents
from analysis.report.explanation import decided
from analysis.report.gates import gate_rows
from analysis.report.growth_tables import suspect_tables
from analysis.report.html.alt import latency_alt, memory_alt, memory_breakdown_alt, objects_alt, requests_alt
from analysis.report.html.provenance import config_text, provenance
from analysis.report.html.svg import inline_svg
from analysis.report.own_word import UNITS, own_word
from analysis.report.process_tables import process_tables
from analysis.report.site_tables import SOURCE, site_tables
from analysis.report.story import QUESTIONS
from analysis.report.stuck_tasks import stuck_lines
from analysis.report.tables import comparison_table, event_table, load_table
from analysis.verdict.wording import control_line, verdict_sentence
from soak.contract import SUMS, verdict_name
from soak.contract.hashes import FileHash, HashCheck

ALTS: Final = {
    "memory": memory_alt,
    "requests": requests_alt,
    "objects": objects_alt,
    "latency": latency_alt,
    "waterfall": memory_breakdown_alt,
}


def report_html(
    contents: ReportContents, events: tuple[tuple[str, ...], ...], figures: Mapping[str, str]
) -> str:
    """Return the page; ``events`` are texts as ``read_events`` returns them.

    ``figures`` are SVG files by name: memory, requests, objects, latency and waterfall, as far as they were drawn.

    All text of a run, a profile or a service is escaped.
    """
    environment = page_environment("analysis.report.html")
    judged, recording = contents.judged, contents.recording
    suspects = dict(zip((one.arm for one in contents.growth), suspect_tables(contents.growth), strict=False))
    details = {
        story.arm: [suspects[story.arm]] if story.arm in suspects else [] for story in contents.stories
    }
    return environment.get_template("report.html.jinja").render(
        style=stylesheet(),
        manifest=recording.manifest,
        ended=recording.manifest.started_wall_time
        + timedelta(seconds=recording.load.end_s if recording.load else 0.0),
        signoff=judged.signoff,
        reasons=contents.reasons,
        verdicts=[
            (one.arm, one.verdict, verdict_name(one.verdict), verdict_sentence(one))
            for one in judged.verdicts
        ],
        control=None if judged.control is None else control_line(judged.control),
        gates=gate_rows(judged) if judged.signoff.candidate else (),
        figures={
            name: Markup(inline_svg(figures[name], name, alt(contents)))  # noqa: S704 - the text is escaped there
            for name, alt in ALTS.items()
            if name in figures
        },
        comparison=comparison_table(contents).without("incident change", "scale"),
        reported={row.measure for row in contents.rows if row.unit in UNITS},
        processes=process_tables(contents),
        details=details,
        growth=[table for arm, table in suspects.items() if arm not in details],
        stuck=stuck_lines(contents),
        sites={
            one.arm: [(table.without(SOURCE), table.column(SOURCE)) for table in site_tables((one,))]
            for one in contents.sites
        },
        stories=contents.stories,
        anchors={story.arm: f"leak-{number}" for number, story in enumerate(contents.stories, 1)},
        questions=QUESTIONS,
        load=None if recording.manifest.attached else load_table(contents),
        notes=[f"{arm.name}: {note}" for arm in recording.arms for note in arm.notes],
        decided=decided(contents),
        own_word=own_word(recording),
        events=event_table(events),
        provenance=provenance(recording),
        config=config_text(recording),
        hashes=_hashes(recording.hashes),
    )


def page_environment(package: str) -> Environment:
    """Return what fills the templates of a package: all text is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet() -> Markup:
    """Return the style of a page."""
    return Markup(files("analysis.report.html").joinpath("report.css").read_text("utf-8"))  # noqa: S704 - a file of ours


def _hashes(hashes: HashCheck) -> tuple[FileHash, ...]:
    """Return the files with their hashes, SHA256SUMS itself first where it can be used."""
    return (FileHash(SUMS, "", hashes.sums), *hashes.files) if hashes.sums else hashes.files
