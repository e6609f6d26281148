"""The page /soak beside Locust's own: verdict and curves, alive from idle to report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, Flask, Response, abort, jsonify, request, send_file
from locust.web import WebUI

from locustfiles.web.live_recording import ArmNow, LiveRecording
from locustfiles.web.series import Series
from locustfiles.web.wording import clock_text, count, mebibytes, oom_text, rate_text, verdict_text

WEB: Final = Path(__file__).parent / "static"
ASSETS: Final = {
    "soak.js": WEB / "soak.js",
    "soak.css": WEB / "soak.css",
    "uPlot.iife.min.js": WEB / "vendor" / "uplot" / "uPlot.iife.min.js",
    "uPlot.min.css": WEB / "vendor" / "uplot" / "uPlot.min.css",
}
ADDRESS: Final = "/soak"

View = Callable[..., Response]
Have = list[tuple[int, int]]
"""Epoch and count of the points that a reader has, of each series in turn."""


class SoakPage:
    """Serves the page and what is new since its last poll."""

    def __init__(self, recording: LiveRecording) -> None:
        self._recording = recording

    def register(self, web_ui: WebUI) -> None:
        """Add the page to the web UI, behind its login where it has one."""
        routes = Blueprint("soak", __name__, url_prefix=ADDRESS)
        login = cast(Callable[[View], View], web_ui.auth_required_if_enabled)

        @routes.route("")
        @login
        def page() -> Response:
            return send_file(WEB / "soak.html")

        @routes.route("/assets/<name>")
        @login
        def asset(name: str) -> Response:
            return send_file(ASSETS[name]) if name in ASSETS else abort(404)

        @routes.route("/data")
        @login
        def data() -> Response:
            return jsonify(self.data(parse_have(request.args.get("have", ""))))

        cast(Flask, web_ui.app).register_blueprint(routes)

    def data(self, have: Have) -> dict[str, Any]:
        """Return the state of the run, and of each series the points that the reader lacks."""
        recording = self._recording
        every = [series for one in recording.arms.values() for series in (one.readings, one.requests)]
        had = dict(zip(map(id, every), have, strict=False))
        return {
            "run": recording.directory.name,
            "phase": recording.phase,
            "phases": recording.phases,
            "limit": recording.limit_bytes,
            "judged": None if recording.judged_t_s is None else clock_text(recording.judged_t_s),
            "report": f"{ADDRESS}/files/{recording.directory.name}/report/report.html"
            if recording.has_report
            else None,
            "arms": [self._arm(name, one, had) for name, one in recording.arms.items()],
            "have": ",".join(f"{series.epoch}.{len(series)}" for series in every),
        }

    def _arm(self, name: str, one: ArmNow, had: dict[int, tuple[int, int]]) -> dict[str, Any]:
        said = self._recording.verdicts.get(name, {})

        def lacking(series: Series) -> dict[str, Any]:
            return series.since(*had.get(id(series), (-1, 0)))

        now = one.now.get
        return {
            "name": name,
            "verdict": verdict_text(said),
            "state": str(said.get("verdict") or ""),
            "reason": str(said.get("reason") or ""),
            "rate": rate_text(said),
            "oom": oom_text(said),
            "suspect": str(said.get("suspect") or ""),
            "kills": one.kills,
            "rss": mebibytes(now("rss")),
            "uss": mebibytes(now("uss")),
            "tasks": count(now("tasks")),
            "sessions": count(now("sessions")),
            "blocks": count(now("blocks")),
            "life": count(now("life")),
            "ok": count(one.per_s.get("ok")),
            "failed": count(one.per_s.get("failed")),
            "readings": lacking(one.readings),
            "requests": lacking(one.requests),
        }


def parse_have(text: str) -> Have:
    """Return what a reader says it has, ``0.12,0.3``; nothing where it says anything else."""
    try:
        return [
            (int(epoch), int(points)) for epoch, _, points in (one.partition(".") for one in text.split(","))
        ]
    except ValueError:
        return []
