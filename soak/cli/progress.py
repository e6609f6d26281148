"""Where a run shows what it does: the terminal, and Prometheus where a port is given."""

from __future__ import annotations

import sys

from rich.console import Console

from soak.status.terminal import Progress


def make_progress(metrics_port: int | None) -> Progress:
    """Return the progress display; raises UsageError when the port cannot be had."""
    console = Console(file=sys.stdout)
    if metrics_port is None:
        return Progress(console)
    from soak.status.prometheus import serve_metrics  # noqa: PLC0415 - most runs serve none

    return Progress(console, serve_metrics(metrics_port).show)
