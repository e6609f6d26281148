"""The page /soak in Locust's web UI: verdict and curves, updated from idle to report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, Flask, Response, abort, jsonify, request, send_file
from flask.json.provider import DefaultJSONProvider
from locust.web import WebUI

from locustfiles.web.downloads import FILES_ADDRESS, View
from locustfiles.web.live_recording import LiveArm, LiveRecording
from locustfiles.web.series import Series
from locustfiles.web.wording import arm_texts, count, process_texts
from soak.contract.units import clock_text

STATIC: Final = Path(__file__).parent / "static"
ASSETS: Final = {
    "arms.js": STATIC / "arms.js",
    "soak.js": STATIC / "soak.js",
    "soak.css": STATIC / "soak.css",
    "uPlot.iife.min.js": STATIC / "vendor" / "uplot" / "uPlot.iife.min.js",
    "uPlot.min.css": STATIC / "vendor" / "uplot" / "uPlot.min.css",
}
PAGE_ADDRESS: Final = "/soak"

Have = list[tuple[int, int]]
"""Epoch and number of the points that a browser has of each series, in order."""


class SoakPage:
    """Serves the page, and the data that is new since its last poll."""

    def __init__(self, recording: LiveRecording) -> None:
        self._recording = recording

    def register(self, web_ui: WebUI) -> None:
        """Add the page to the web UI, behind its login where it has one."""
        routes = Blueprint("soak", __name__, url_prefix=PAGE_ADDRESS)
        login = cast(Callable[[View], View], web_ui.auth_required_if_enabled)

        @routes.route("")
        @login
        def page() -> Response:
            return send_file(STATIC / "soak.html")

        @routes.route("/assets/<name>")
        @login
        def asset(name: str) -> Response:
            return send_file(ASSETS[name]) if name in ASSETS else abort(404)

        @routes.route("/data")
        @login
        def data() -> Response:
            return jsonify(self.data(parse_have(request.args.get("have", ""))))

        app = cast(Flask, web_ui.app)
        answers = cast(DefaultJSONProvider, app.json)
        answers.compact = True  # Locust's app is in debug mode, which indents them: three times as long
        app.register_blueprint(routes)

    def data(self, have: Have) -> dict[str, Any]:
        """Return the state of the run, and the points of each series that the browser lacks."""
        recording = self._recording
        every = [series for one in recording.arms.values() for series in (one.readings, one.requests)]
        had = dict(zip(map(id, every), have, strict=False))
        return {
            "run": recording.directory.name,
            "phase": recording.phase,
            "phases": recording.phases,
            "limit": recording.limit_bytes,
            "judged": None if recording.live is None else clock_text(recording.live.updated_t_s, hours=True),
            "report": f"{FILES_ADDRESS}/{recording.directory.name}/report/report.html"
            if recording.has_report
            else None,
            "arms": [self._arm(name, one, had) for name, one in recording.arms.items()],
            "have": ",".join(f"{series.epoch}.{len(series)}" for series in every),
        }

    def _arm(self, name: str, arm: LiveArm, had: dict[int, tuple[int, int]]) -> dict[str, Any]:
        live = self._recording.live_of(name)

        def lacking(series: Series) -> dict[str, Any]:
            return series.since(*had.get(id(series), (-1, 0)))

        return (
            arm_texts(name, arm, live)
            | process_texts(arm, live)
            | {
                "state": live.verdict,
                "reason": live.reason,
                "down": arm.lives.is_down,
                "killed": arm.lives.killed_s,
                "ok": count(arm.per_s.get("ok")),
                "failed": count(arm.per_s.get("failed")),
                "readings": lacking(arm.readings),
                "requests": lacking(arm.requests),
            }
        )


def parse_have(text: str) -> Have:
    """Parse the points that a browser has, ``0.12,0.3``; [] for any other text."""
    try:
        return [
            (int(epoch), int(points)) for epoch, _, points in (one.partition(".") for one in text.split(","))
        ]
    except ValueError:
        return []
