"""The newest second of requests.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from soak.contract import FAILURE_KINDS
from soak.contract.tail import CsvTail


class RequestTail:
    """Follows an arm's requests.csv as Locust writes it; keeps the newest whole row."""

    def __init__(self, path: Path) -> None:
        self._tail = CsvTail(path)
        self._newest: Mapping[str, int] = {}

    def newest(self) -> Mapping[str, int]:
        """Return planned, ok and failed of the newest second; nothing before the first."""
        if rows := self._tail.new_rows():
            row = rows[-1]
            failed = sum(int(row.get(f"failed_{kind}") or 0) for kind in FAILURE_KINDS)
            self._newest = {
                "planned": int(row["planned"]),
                "ok": int(row["ok"]),
                "failed": failed + int(row["missed"]),
            }
        return self._newest
