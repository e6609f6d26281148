"""``soak attach --prometheus``: the requests that attached processes answered, which the analysis fetches."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from soak.cli.analysis_process import run_analysis
from soak.errors import UsageError
from soak.supervisor.attach import RequestsSource
from soak.supervisor.ending import StopRequest


@dataclass(frozen=True, slots=True)
class KnownRequests:
    """Where Prometheus has the requests, and as whom it is asked."""

    source: RequestsSource
    words: tuple[str, ...]
    """The options for the analysis; files of secrets by their paths."""

    def check(self, stop_request: StopRequest) -> None:
        """Ask once, before anything is recorded; raises typer.Exit with the exit code of a question that failed."""
        code = run_analysis(stop_request, "requests", *self.words)
        if code != 0:
            raise typer.Exit(1 if code is None or code < 0 else code)

    def add_to(self, directory: Path, stop_request: StopRequest) -> None:
        """Add the requests to a recording; where they cannot be had, a line states it, and they are not known."""
        if (
            stop_request.is_repeated
            or run_analysis(stop_request, "requests", str(directory), *self.words) != 0
        ):
            print("soak: warning: the requests are not recorded, so they are not known.", file=sys.stderr)


def known_requests(
    url: str, query: str, bearer_file: Path | None, basic_file: Path | None, ca_file: Path | None
) -> KnownRequests | None:
    """Return where the requests are known; None where nothing was given. Raises UsageError for half of it."""
    files = {"--bearer-file": bearer_file, "--basic-file": basic_file, "--ca-file": ca_file}
    if bool(url) != bool(query) or (not url and any(files.values())):
        raise UsageError(
            "Give both --prometheus and --requests-query, or none of them and no file for Prometheus."
        )
    if not url:
        return None
    words = ["--prometheus", url, "--requests-query", query]
    for option, path in files.items():
        words += [] if path is None else [option, str(path.absolute())]
    return KnownRequests(RequestsSource(url, query), tuple(words))
