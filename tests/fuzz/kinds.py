"""What is fuzzed: each kind makes one input from its randomness, gives it to a real entry point, and complains."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from tests.fuzz.answers import Metrics, ProbeAnswers, Readiness
from tests.fuzz.entry import Kind
from tests.fuzz.other_files import Censuses, Externals, Plans, Words
from tests.fuzz.profiles import Profiles, Settings
from tests.fuzz.prometheus import Prometheus
from tests.fuzz.recordings import Cells, Histories, Judged, Listings, Manifests, Reports, Sums
from tests.fuzz.traces import Traces
from tests.fuzz.websockets import WebSockets


class MakeKind(Protocol):
    """A class of kinds."""

    name: str
    inputs: int
    """Number of inputs of a long run."""
    cost_ms: float
    """Time of one input on an idle core, milliseconds: by it the time that is left is estimated."""

    def __call__(self, scratch: Path) -> Kind:
        """Return the kind; it may write into the directory ``scratch``."""


KINDS: Final[tuple[MakeKind, ...]] = (
    Profiles, Settings, ProbeAnswers, Readiness, Metrics, Listings, Histories, Censuses, Words, Plans, Externals,
    Prometheus, Traces, WebSockets, Manifests, Cells, Sums, Judged, Reports,
)  # fmt: skip
