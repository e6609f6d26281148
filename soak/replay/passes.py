"""The passes of a replay: what the target is instrumented with in one more life of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from soak.config.profile import ReplaySettings
from soak.process.probe_injection import TRACE_VARIABLE


@dataclass(frozen=True, slots=True)
class Pass:
    """One kind of instrumentation, which the probe carries out."""

    name: str
    """One of ``contract.PASSES``."""
    variables: Mapping[str, str]
    """Variables of the target by which its probe makes it, and does nothing else."""
    begin_op: str
    """The probe's op that begins it, before the first request."""
    point_op: str
    """The probe's op that takes a point; its arguments are ``file``, and ``most`` traces."""
    end_op: str
    """The probe's op that ends the instrumentation, after the last point."""


def passes(settings: ReplaySettings) -> Iterator[Pass]:
    """Yield the passes of an arm, in order."""
    yield Pass("python", {TRACE_VARIABLE: str(settings.frames)}, "trace_begin", "trace_point", "trace_end")
