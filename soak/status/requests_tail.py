"""The newest second of requests.csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from soak.contract import FAILURE_KINDS, REQUEST_COLUMNS, names
from soak.process.log import LogFollower


class RequestTail:
    """Follows an arm's requests.csv as Locust writes it; keeps the newest whole row."""

    def __init__(self, path: Path) -> None:
        self._follower = LogFollower(path)
        self._names = names(REQUEST_COLUMNS)

    def latest(self, previous: Mapping[str, int]) -> Mapping[str, int]:
        """Return planned, ok and failed of the newest second, or ``previous`` when there is no newer one."""
        rows = list(csv.reader(self._follower.new_lines()[-1:]))
        if not rows or rows[0][0] == self._names[0]:
            return previous
        row = dict(zip(self._names, rows[0], strict=False))
        failed = sum(int(row.get(f"failed_{kind}") or 0) for kind in FAILURE_KINDS)
        return {"planned": int(row["planned"]), "ok": int(row["ok"]), "failed": failed + int(row["missed"])}
