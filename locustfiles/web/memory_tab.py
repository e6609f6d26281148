"""The Memory tab of Locust's web UI: memory, objects and verdict so far of each arm."""

from __future__ import annotations

import json
from typing import Final, cast

from flask import Flask, Response, request
from locust.web import WebUI

from locustfiles.web.live_recording import LiveRecording
from locustfiles.web.wording import arm_texts

TAB_KEY: Final = "memory"
TAB_COLUMNS: Final = (
    ("name", "Arm"),
    ("verdict", "Verdict so far"),
    ("rate", "Leak rate"),
    ("suspect", "Leak suspect"),
    ("rss", "RSS, MiB"),
    ("uss", "USS, MiB"),
    ("blocks", "Live blocks"),
    ("tasks", "Tasks"),
    ("sessions", "Open sessions"),
    ("oom", "Time to OOM"),
    ("kills", "OOM kills"),
    ("life", "Life"),
)
"""Keys and titles of the tab's columns; keys may not hold underscores."""


class MemoryTab:
    """Adds the tab through Locust's extension points; the page's own poll of the statistics fills it."""

    def __init__(self, recording: LiveRecording) -> None:
        self._recording = recording

    def register(self, web_ui: WebUI) -> None:
        """Add the tab to the web UI."""
        web_ui.template_args |= {
            "extended_tabs": [{"title": "Memory", "key": TAB_KEY}],
            "extended_tables": [
                {"key": TAB_KEY, "structure": [{"key": key, "title": title} for key, title in TAB_COLUMNS]}
            ],
        }
        cast(Flask, web_ui.app).after_request(self._extend)

    def rows(self) -> list[dict[str, str]]:
        """Return a row for each arm, with a text for each column."""
        recording = self._recording
        return [arm_texts(name, arm, recording.live_of(name)) for name, arm in recording.arms.items()]

    def _extend(self, response: Response) -> Response:
        if request.path == "/stats/requests" and response.status_code == 200 and response.is_json:
            statistics = response.get_json()
            # Locust caches its answer for two seconds, additions included.
            others = [one for one in statistics.get("extended_stats", ()) if one.get("key") != TAB_KEY]
            statistics["extended_stats"] = [*others, {"key": TAB_KEY, "data": self.rows()}]
            response.set_data(json.dumps(statistics))
        return response
