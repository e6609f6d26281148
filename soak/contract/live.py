"""The verdict so far, as the judge beside a run writes it to ``live.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from soak.contract.files import SCHEMA_VERSION
from soak.regular_files import read_regular

Verdict = Literal["leak", "no_leak", "inconclusive"]

LEAK: Final = "leak"
NO_LEAK: Final = "no_leak"
INCONCLUSIVE: Final = "inconclusive"
VERDICTS: Final[tuple[Verdict, ...]] = (LEAK, NO_LEAK, INCONCLUSIVE)


def verdict_name(verdict: str) -> str:
    """Return a verdict as it is printed: ``NO LEAK``."""
    return verdict.replace("_", " ").upper()


@dataclass(frozen=True, slots=True)
class ProcessLive:
    """The growth so far of one process of an arm that has several; None for what is not known."""

    life: int
    """Number of the process within the arm."""
    growth: str
    """grows, does not grow or undecided."""
    rate_per_s: float | None = None
    """Growth of its own memory in bytes per second."""
    rate_per_request: float | None = None
    """The same in bytes per request of the arm."""


@dataclass(frozen=True, slots=True)
class ArmLive:
    """The verdict on one arm so far; None for what is not known, also for a time to OOM without end."""

    verdict: str
    """One of ``VERDICTS``."""
    reason: str
    """One sentence, without a full stop."""
    rate_per_s: float | None = None
    """Leak rate in bytes per second."""
    rate_per_request: float | None = None
    """Leak rate in bytes per request."""
    low: float | None = None
    """Lower end of the interval of ``rate_per_s``."""
    high: float | None = None
    """Upper end of the interval of ``rate_per_s``."""
    oom_low_s: float | None = None
    """Earliest time to OOM, seconds from ``updated_t_s``."""
    oom_high_s: float | None = None
    """Latest time to OOM, seconds from ``updated_t_s``."""
    signals: Mapping[str, str] = field(default_factory=dict)
    """Verdict by signal."""
    certain_fail: bool = False
    """A gate of this arm will fail whatever comes; a leak that is called for the first time is not certain yet."""
    suspect: str = ""
    """What grows most and who holds it, in words with its rate; empty for nothing."""
    processes: tuple[ProcessLive, ...] = ()
    """Of an arm with several processes those that gained most, the fastest first; they change no verdict."""


@dataclass(frozen=True, slots=True)
class Live:
    """The verdict so far, written to ``live.json`` by ``soak judge --follow`` and read by the run."""

    updated_t_s: float
    """Time up to which the recording was read, ``t_s``."""
    arms: Mapping[str, ArmLive]

    def to_json(self) -> str:
        """Return the text of ``live.json``; numbers that are not finite become null."""
        arms = {name: _finite(asdict(arm)) for name, arm in self.arms.items()}
        fields = {"schema_version": SCHEMA_VERSION, "updated_t_s": self.updated_t_s, "arms": arms}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Live:
        """Read what ``to_json`` wrote; raises ValueError, TypeError, KeyError or AttributeError for anything else."""
        fields = json.loads(text)
        if (version := fields["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"live verdict of schema {version}, this is {SCHEMA_VERSION}")
        arms = {name: _arm(**arm) for name, arm in fields["arms"].items()}
        return cls(updated_t_s=float(fields["updated_t_s"]), arms=arms)


def _arm(processes: Iterable[Mapping[str, Any]] = (), **fields: Any) -> ArmLive:
    return ArmLive(**fields, processes=tuple(ProcessLive(**one) for one in processes))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_live(path: Path) -> Live | None:
    """Return what stands in ``live.json``; None while there is none that can be read."""
    try:
        return Live.from_json(read_regular(path).decode())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # the run does not depend on its judge


def certain_failure(live: Live | None, arm: str | None) -> str | None:
    """Return why a gate of the arm is certain to fail; None when none is, or that is not known."""
    seen = None if live is None else live.arms.get(arm or "")
    return f"a gate of {arm} is certain to fail: {seen.reason}" if seen and seen.certain_fail else None
