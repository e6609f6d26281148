"""The options of ``soak judge --prometheus`` as they were given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Words:
    """The options as they were given; empty or None where they were not."""

    url: str
    query: str
    requests_query: str
    start_query: str
    since: str
    max_leak: str
    limit: str
    bearer_file: Path | None
    basic_file: Path | None
    ca_file: Path | None
    report: Path | None

    @property
    def given(self) -> tuple[str, ...]:
        """The options that have a meaning with ``--prometheus`` only, as far as they were given."""
        queries = {
            "--query": self.query,
            "--requests-query": self.requests_query,
            "--start-query": self.start_query,
            "--since": self.since,
            "--bearer-file": self.bearer_file,
            "--basic-file": self.basic_file,
            "--ca-file": self.ca_file,
            "--report": self.report,
        }
        return tuple(option for option, value in queries.items() if value)
