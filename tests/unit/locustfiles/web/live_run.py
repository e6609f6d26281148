"""A run directory as it grows, for the tests of the web UI."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from locustfiles.web.live_recording import LiveRecording
from soak.contract import EVENT_COLUMNS, REQUEST_COLUMNS, SAMPLE_COLUMNS, ArmLive, Column, Live, names

ARMS = {"leaky": "http://127.0.0.1:1", "fixed": "http://127.0.0.1:2"}


class GrowingRun:
    """Writes rows as the run, the samplers and Locust would."""

    def __init__(
        self, runs: Path, name: str = "20261124-101112-demo", elsewhere: tuple[str, ...] = ()
    ) -> None:
        self.directory = runs / name
        self.directory.mkdir(parents=True)
        facts = [
            {"name": arm, "memory_limit_bytes": None, "url": url}
            if arm in elsewhere
            else {"name": arm, "memory_limit_bytes": 512 << 20}
            for arm, url in ARMS.items()
        ]
        (self.directory / "manifest.json").write_text(json.dumps({"arms": facts, "status": "complete"}))
        for arm in ARMS:
            (self.directory / arm).mkdir()
            for event in ("start", "ready"):
                self.event(0.0, event, arm=arm, life=1)
        self.recording = LiveRecording(self.directory, ARMS)

    def event(
        self, t_s: float, event: str, detail: str = "", arm: str = "", life: int | str = "", by: str = ""
    ) -> None:
        cells = {"detail": detail, "arm": arm, "life": life, "by": by}
        self._append("events.csv", EVENT_COLUMNS, t_s=t_s, event=event, **cells)

    def sample(self, arm: str, t_s: float, life: int = 1, **cells: float) -> None:
        self._append(f"{arm}/samples.csv", SAMPLE_COLUMNS, t_s=t_s, arm=arm, life=life, **cells)

    def second(self, arm: str, t_s: float, **cells: float) -> None:
        self._append(f"{arm}/requests.csv", REQUEST_COLUMNS, t_s=t_s, arm=arm, **cells)

    def verdict(self, updated_t_s: float, **arms: ArmLive) -> None:
        (self.directory / "live.json").write_text(Live(updated_t_s, arms).to_json())

    def _append(self, name: str, columns: tuple[Column, ...], **cells: object) -> None:
        path = self.directory / name
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, names(columns), restval="")
            if new:
                writer.writeheader()
            writer.writerow(cells)
