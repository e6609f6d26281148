"""``python -m analysis requests``: the requests of attached processes, from Prometheus into their recording."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from analysis.prometheus.access import Access, read_access
from analysis.prometheus.answers import Series
from analysis.prometheus.attached import known_share, request_rows
from analysis.prometheus.client import Client
from analysis.prometheus.queries import Query, Span
from analysis.prometheus.question import fetch_requests
from analysis.recording.read import read_recording
from soak.contract import REQUESTS
from soak.errors import RecordingError
from soak.regular_files import write_text

BEFORE_S = 600.0
"""Time before the recording from which samples are fetched too, so that its first moments lie between two, seconds."""


def command(
    prometheus: Annotated[str, typer.Option()],
    requests_query: Annotated[str, typer.Option()],
    run: Annotated[Path | None, typer.Argument()] = None,
    bearer_file: Annotated[Path | None, typer.Option()] = None,
    basic_file: Annotated[Path | None, typer.Option()] = None,
    ca_file: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Add the requests to a recording of soak attach; without RUN, only check that they can be fetched."""
    access = read_access(prometheus, bearer_file, basic_file, ca_file)
    query = Query(requests_query.strip(), "--requests-query")
    if run is None:
        fetched(access, query, Span(time.time() - BEFORE_S, time.time()))
    else:
        add_requests(run, access, query)


def fetched(access: Access, query: Query, span: Span) -> tuple[Series, ...]:
    """Return the series of the requests; raises RecordingError."""

    async def once() -> tuple[Series, ...]:
        async with Client(access) as client:
            return await fetch_requests(client, query, span)

    return asyncio.run(once())


def add_requests(run: Path, access: Access, query: Query) -> None:
    """Write ``requests.csv`` of every arm; raises RecordingError where the requests of the load are not known."""
    recording = read_recording(run, whole=False)
    if (load := recording.load) is None:
        raise RecordingError(f"{run}: nothing was sampled, so no requests belong to it.")
    began_s = recording.manifest.started_wall_time.timestamp()
    span = Span(began_s + load.start_s - BEFORE_S, began_s + load.end_s)
    series = fetched(access, query, span)
    rows = request_rows(series, query, began_s, load)
    if (share := known_share(rows)) < 1:
        raise RecordingError(f"--requests-query: no samples for {1 - share:.0%} of the recording.")
    for arm in recording.arms:
        text = rows.assign(arm=arm.name).to_csv(index=False, lineterminator="\n")
        write_text(run / arm.name / REQUESTS, text)
