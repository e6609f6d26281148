"""``history.html``: one file, nothing loaded from elsewhere, with the look of a report."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from analysis.history.figure import history_alt, history_figure
from analysis.history.findings import METHOD, History, history_table
from analysis.report.html.page import page_environment, stylesheet
from analysis.report.html.svg import inline_svg, svg_text
from soak.contract import REPORT

REPORT_PAGE = "report.html"


def history_html(history: History, directory: Path) -> str:
    """Return the page, which lies in ``directory`` beside the runs and links to their reports.

    All text of a run is escaped.
    """
    environment = page_environment("analysis.history")
    table = history_table(history)
    newest_first = history.runs[::-1]
    svg = inline_svg(svg_text(history_figure(history), "history"), "history", history_alt(history))
    return environment.get_template("history.html.jinja").render(
        style=stylesheet(),
        history=history,
        lines=[line for found in history.found for line in found.lines],
        figure=Markup(svg),  # noqa: S704 - the text is escaped there
        table=table,
        rows=[
            (row, run, _link(directory, run.run)) for row, run in zip(table.rows, newest_first, strict=True)
        ],
        method=METHOD,
    )


def _link(directory: Path, run: str) -> str:
    """Return where the report of a run is, relative to the page; empty where there is none."""
    places = (f"{run}/{REPORT}/{REPORT_PAGE}", f"{run}/{REPORT_PAGE}")
    return next((f"./{quote(os.fsencode(place))}" for place in places if (directory / place).is_file()), "")
