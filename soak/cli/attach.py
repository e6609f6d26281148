"""``soak attach``: sample running processes."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from soak.cli import options
from soak.cli.analysis_process import finish
from soak.cli.known_requests import known_requests
from soak.cli.progress import make_progress
from soak.contract.evidence import spacing
from soak.contract.units import (
    DEFAULT_MAX_LEAK,
    parse_duration,
    parse_leak_per_time,
    parse_limit_option,
    parse_option,
)
from soak.errors import UsageError
from soak.regular_files import real_path
from soak.supervisor.attach import AttachPlan, sample_attached
from soak.supervisor.attachments import find_attachments
from soak.supervisor.late_probe import late_probes
from soak.supervisor.launch import noted_signals


def attach(
    pids: Annotated[
        list[int] | None,
        typer.Option(
            "--pid",
            min=1,
            max=options.MOST_PID,
            help="PID of a process to sample with its children; may be given several times.",
        ),
    ] = None,
    containers: Annotated[
        list[str] | None,
        typer.Option(
            "--container",
            metavar="NAME",
            help="Container of podman or docker to sample, by name or id; may be given several times.",
        ),
    ] = None,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Duration, e.g. 10m (default: until Ctrl-C).")
    ] = "",
    every: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Time between samples, 0.1s to 60s (default: 1s for each 8h of --for begun, at most 10s).",
        ),
    ] = "",
    max_leak: Annotated[
        str, typer.Option(metavar="LEAK", help="Leak margin per time, e.g. 1 MiB/h.")
    ] = DEFAULT_MAX_LEAK.text,
    limit: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Memory limit of the processes, e.g. 2 GiB: gives the time to OOM."
        ),
    ] = "",
    inject: Annotated[
        bool,
        typer.Option(
            "--inject",
            metavar="",
            help="Put the probe into processes of CPython 3.14 or 3.15 that run without it; it leaves at the end.",
        ),
    ] = False,
    prometheus: Annotated[
        str, typer.Option(metavar="URL", help="Prometheus that has the requests (with --requests-query).")
    ] = "",
    requests_query: Annotated[
        str,
        typer.Option(
            metavar="PROMQL",
            help="Requests that the processes answer: a counter, or requests per second by rate().",
        ),
    ] = "",
    bearer_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of the token that Prometheus asks for.")
    ] = None,
    basic_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of user:password that Prometheus asks for.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities that sign its certificate, PEM.")
    ] = None,
    metrics_port: options.MetricsPort = None,
    runs: options.Runs = Path("runs"),
) -> None:
    """Sample and judge running processes or containers under the load they have.

    Read-only: the processes are not modified, except by --inject.

    Exit codes: 0 no leak, 1 the harness failed, 2 usage, 3 a leak, 4 inconclusive, 130 no report.
    """
    margin = parse_option("--max-leak", max_leak, parse_leak_per_time)
    for_s = parse_option("--for", duration, parse_duration) if duration else None
    every_s = parse_option("--every", every, parse_duration) if every else spacing(for_s or 0.0)
    if not 0.1 <= every_s <= 60:
        raise UsageError(f"--every {every}: give a time from 0.1s to 60s.")
    known = known_requests(prometheus, requests_query, bearer_file, basic_file, ca_file)
    plan = AttachPlan(
        find_attachments(pids or (), containers or ()),
        every_s=every_s,
        for_s=for_s,
        max_leak=margin,
        limit_bytes=parse_limit_option(limit),
        requests=known.source if known else None,
    )
    for one in plan.attachments:
        if unreadable := one.unreadable:
            print(f"warning: {one.option}: {unreadable}", file=sys.stderr)
    with noted_signals() as stop_request:
        if known:
            known.check(stop_request)
        with ExitStack() as stack:
            late = stack.enter_context(late_probes(plan.attachments, stop_request)) if inject else {}
            progress = stack.enter_context(make_progress(metrics_port))
            outcome = sample_attached(
                plan,
                real_path(runs),
                progress,
                stop_request,
                late=late,
                add_requests=lambda directory: known.add_to(directory, stop_request) if known else None,
            )
        finish(outcome, stop_request)
