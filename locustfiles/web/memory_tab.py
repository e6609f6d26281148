"""The Memory tab of Locust's web UI: both arms' memory, objects and verdict so far, beside the requests."""

from __future__ import annotations

import json
from typing import Final, cast

from flask import Flask, Response, request
from locust.web import WebUI

from locustfiles.web.live_recording import LiveRecording
from locustfiles.web.wording import count, mebibytes, oom_text, rate_text, verdict_text

KEY: Final = "memory"
STRUCTURE: Final = (
    ("name", "Arm"),
    ("verdict", "Verdict so far"),
    ("rate", "Leak rate"),
    ("suspect", "Grows most, and who holds it"),
    ("rss", "RSS, MiB"),
    ("uss", "USS, MiB"),
    ("blocks", "Live blocks"),
    ("tasks", "Tasks"),
    ("sessions", "Open sessions"),
    ("oom", "Time to OOM"),
    ("kills", "OOM kills"),
    ("life", "Life"),
)
"""Keys and titles of its columns; Locust's page takes no underscores."""


class MemoryTab:
    """Adds the tab through Locust's extension points; it is filled by the page's own poll of the statistics."""

    def __init__(self, recording: LiveRecording) -> None:
        self._recording = recording

    def register(self, web_ui: WebUI) -> None:
        """Add the tab to the web UI."""
        web_ui.template_args |= {
            "extended_tabs": [{"title": "Memory", "key": KEY}],
            "extended_tables": [
                {"key": KEY, "structure": [{"key": key, "title": title} for key, title in STRUCTURE]}
            ],
        }
        cast(Flask, web_ui.app).after_request(self._extend)

    def rows(self) -> list[dict[str, str]]:
        """Return a row for each arm, with a text for each column."""
        return [self._row(arm) for arm in self._recording.arms]

    def _row(self, arm: str) -> dict[str, str]:
        one, said = self._recording.arms[arm], self._recording.verdicts.get(arm, {})
        now = one.now.get
        return {
            "name": arm,
            "verdict": verdict_text(said),
            "rate": rate_text(said),
            "suspect": str(said.get("suspect") or ""),
            "rss": mebibytes(now("rss")),
            "uss": mebibytes(now("uss")),
            "blocks": count(now("blocks")),
            "tasks": count(now("tasks")),
            "sessions": count(now("sessions")),
            "oom": oom_text(said),
            "kills": str(len(one.kills)),
            "life": count(now("life")),
        }

    def _extend(self, response: Response) -> Response:
        if request.path == "/stats/requests" and response.status_code == 200 and response.is_json:
            statistics = response.get_json()
            # Locust keeps its answer for two seconds, with what was added to it.
            others = [one for one in statistics.get("extended_stats", ()) if one.get("key") != KEY]
            statistics["extended_stats"] = [*others, {"key": KEY, "data": self.rows()}]
            response.set_data(json.dumps(statistics))
        return response
