"""The part of ``summary.json`` that a history needs, of every version that has verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from analysis.judge.types import Verdict
from analysis.verdict.signals import in_bytes
from soak.contract import MANIFEST, REPORT, SUMMARY
from soak.contract.hashes import first_difference, outdated_report
from soak.regular_files import read_json

OLDEST_VERSION: Final = 3
"""The first ``summary_version`` with verdicts."""

Figure = Annotated[float, Field(ge=-1e18, le=1e18)]
"""A number that can be added and drawn without overflow."""
Name = Annotated[str, Field(max_length=2000)]
"""A name; that of a service known to Prometheus has all of its labels."""


class _Part(BaseModel):
    """An object of the summary; what a history does not need is let through unread."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SummaryRate(_Part):
    """A leak rate with its 95% interval; None for an end that is infinite."""

    value: Figure | None
    low: Figure | None
    high: Figure | None


class SummaryMargin(_Part):
    """The leak that would matter, bytes per second or per request."""

    per_s: Figure | None
    per_request: Figure | None


class SummarySignal(_Part):
    """The rates of one signal, in its unit."""

    signal: Name
    per_s: SummaryRate | None
    per_request: SummaryRate | None


class SummaryVerdict(_Part):
    """The verdict on an arm."""

    arm: Name
    verdict: Verdict
    margin: SummaryMargin
    leading_signal: Name | None
    signals: tuple[SummarySignal, ...]

    @property
    def memory(self) -> SummarySignal | None:
        """The leading signal, or where that is not of memory, the first that is; with a rate."""
        leading_first = sorted(self.signals, key=lambda signal: signal.signal != self.leading_signal)
        return next((one for one in leading_first if one.per_s and in_bytes(one.signal)), None)


class SummaryLatency(_Part):
    """Quantiles of a latency, ms."""

    p99: Figure


class SummaryArm(_Part):
    """An arm."""

    name: Name
    limit_bytes: Figure | None
    latency_ms: SummaryLatency | None
    build: Name | None = None
    """None in summaries before version 7."""
    rss_end_bytes: Figure | None = None
    """None in summaries before version 7."""


class SummarySignOff(_Part):
    """The decision."""

    decision: Name
    candidate: Name | None


class SummaryReplayOf(_Part):
    """The run whose recording it is, with a replay that was made later."""

    run: Name


class Summary(_Part):
    """One run."""

    summary_version: Annotated[int, Field(ge=OLDEST_VERSION)]
    run_id: Name
    profile: Name
    started_wall_time: AwareDatetime
    status: Literal["running", "complete", "interrupted", "failed"]
    planned_load_s: Figure
    conclusive: bool = True
    conditions_sha256: Name | None = None
    """None in summaries before version 8."""
    replay_of: SummaryReplayOf | None = None
    signoff: SummarySignOff
    verdicts: tuple[SummaryVerdict, ...]
    arms: tuple[SummaryArm, ...]


def read_summary(directory: Path) -> Summary | str:
    """Return the summary in a run directory, or in a directory that holds its report alone; else why there is none.

    A run whose files differ from its SHA256SUMS has none.
    """
    if changed := first_difference(directory):
        return changed
    path = directory / REPORT / SUMMARY
    if not path.exists() and not (directory / MANIFEST).exists():
        path = directory / SUMMARY
    name = path.relative_to(directory).as_posix()
    try:
        summary = Summary.model_validate(read_json(path))
        ended = _status(directory / MANIFEST) if (directory / MANIFEST).exists() else summary.status
    except FileNotFoundError:
        return (
            "it has no report; make it with soak report"
            if (directory / MANIFEST).exists()
            else "it is no run"
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{name}: {f'key {key}: ' if key else ''}{first['msg']}; make it again with soak report"
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return f"{name} is not readable ({why}); make it again with soak report"
    return outdated_report(ended, summary.status) or summary


def _status(manifest: Path) -> object:
    content = read_json(manifest)
    return content.get("status") if isinstance(content, dict) else None
