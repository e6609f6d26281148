"""The newest runs of one profile, oldest first, and those that were left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.history.summaries import Summary, SummaryArm, SummaryRate, SummaryVerdict, read_summary
from analysis.judge.types import Margin, Rate, Verdict
from soak.contract import MANIFEST, REPORT, SUMMARY
from soak.errors import UsageError

BYTES_PER_REQUEST: Final = "bytes per request"
BYTES_PER_S: Final = "bytes per s"


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """One run of the candidate; its fields are the columns of history.csv, None where it is not known."""

    run: str
    """The name of its directory."""
    started: str
    """Wall time, UTC, ISO 8601."""
    profile: str
    status: str
    conclusive: bool
    """Whether the recording is complete and the load arrived."""
    decision: str
    arm: str
    verdict: Verdict
    build: str | None
    signal: str | None
    """The memory whose rate it is."""
    rate: float | None
    """The leak rate, in ``unit``."""
    rate_low: float | None
    """Lower end of the 95% interval."""
    rate_high: float | None
    """Upper end of the 95% interval."""
    unit: str
    """BYTES_PER_REQUEST or BYTES_PER_S."""
    margin: float | None
    """The leak that would matter, in ``unit``."""
    rss_end_bytes: float | None
    """The last RSS under load."""
    p99_ms: float | None
    """The 99th percentile of the latency."""
    planned_load_s: float
    limit_bytes: float | None
    conditions_sha256: str | None = None
    """Digest of traffic, stubs, phases, limits, rhythm, Python and host; None in summaries before version 8."""
    differs: str = ""
    """How its settings or its end differ from those of the newest run; such a run is in no search for changes."""
    changed: str = ""
    """What changed with this run, separated by semicolons."""

    @property
    def interval(self) -> Rate | None:
        """The rate with its interval; None where one of them is not known."""
        if self.rate is None or self.rate_low is None or self.rate_high is None:
            return None
        return Rate(self.rate, self.rate_low, self.rate_high)

    @property
    def clock(self) -> Margin:
        """The margin as the wordings of a rate take it."""
        per_request = self.unit == BYTES_PER_REQUEST
        return Margin(per_request=self.margin or 0.0) if per_request else Margin(per_s=self.margin or 0.0)


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a history."""

    profile: str
    runs: tuple[HistoryRun, ...]
    """Oldest first; at least one."""
    left_out: tuple[str, ...]
    """A line for each directory that is no run of it, and for each other profile."""


def read_runs(directory: Path, candidate: str = "", last: int = 20, profile: str = "") -> Runs:
    """Return the ``last`` runs of ``profile``, by default of that of the newest run, in the directories of a directory.

    ``candidate`` is the arm to follow, by default the candidate of each run, or its only arm. Raises UsageError when
    there is none.
    """
    found: list[tuple[str, Summary]] = []
    left_out = []
    for place in _places(directory):
        summary = read_summary(place)
        if isinstance(summary, str):
            left_out.append(f"{place.name}: {summary}.")
        elif summary.replay_of is not None:
            left_out.append(f"{place.name}: it is a replay of {summary.replay_of.run}.")
        else:
            found.append((place.name, summary))
    found.sort(key=lambda one: (one[1].started_wall_time, one[0]))
    if not found:
        why = f" ({len(left_out)} directories: {left_out[0]})" if left_out else ""
        raise UsageError(
            f"{directory}: no run with a report{why}; give the directory that contains the runs."
        )
    profile = profile or found[-1][1].profile
    others = Counter(summary.profile for _, summary in found if summary.profile != profile)
    left_out += [
        f"{count} {'run' if count == 1 else 'runs'} of the profile {other}: see --profile {other}."
        for other, count in sorted(others.items())
    ]
    runs = []
    for name, summary in found:
        if summary.profile == profile:
            run = _run(name, summary, candidate)
            if isinstance(run, str):
                left_out.append(f"{name}: {run}.")
            else:
                runs.append(run)
    if not runs:
        arm = f" with an arm {candidate}" if candidate else ""
        raise UsageError(f"{directory}: no run of the profile {profile}{arm}. {' '.join(left_out)}")
    return Runs(profile, _compared(runs[-last:]), tuple(left_out))


def _places(directory: Path) -> list[Path]:
    """Return the directories in ``directory``, by name; raises UsageError when it is none or is itself a run."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; give the directory that contains the runs.")
    if any((directory / name).exists() for name in (MANIFEST, SUMMARY, f"{REPORT}/{SUMMARY}")):
        raise UsageError(f"{directory}: it is a run; give the directory that contains it and others.")
    try:
        places = [path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError as error:
        raise UsageError(f"{directory}: cannot be read ({error.strerror}); make it readable.") from None
    return sorted(path for path in places if not path.name.startswith("."))


def _run(name: str, summary: Summary, candidate: str) -> HistoryRun | str:
    """Return the run, or why it has none of that arm."""
    arms = {arm.name: arm for arm in summary.arms}
    verdicts = {verdict.arm: verdict for verdict in summary.verdicts}
    wanted = candidate or summary.signoff.candidate or (next(iter(arms)) if len(arms) == 1 else "")
    if wanted not in arms or wanted not in verdicts:
        known = ", ".join(arms)
        return (
            f"it has no arm {wanted} ({known})"
            if wanted
            else f"no candidate; name one with --candidate ({known})"
        )
    return _of_arm(name, summary, arms[wanted], verdicts[wanted])


def _of_arm(name: str, summary: Summary, arm: SummaryArm, verdict: SummaryVerdict) -> HistoryRun:
    per_request = verdict.margin.per_request is not None
    memory = verdict.memory
    found = None if memory is None else memory.per_request if per_request else memory.per_s
    rate = found or SummaryRate(value=None, low=None, high=None)
    return HistoryRun(
        run=name,
        started=summary.started_wall_time.isoformat(timespec="seconds"),
        profile=summary.profile,
        status=summary.status,
        conclusive=summary.conclusive,
        decision=summary.signoff.decision,
        arm=arm.name,
        verdict=verdict.verdict,
        build=arm.build,
        signal=memory.signal if memory else None,
        rate=rate.value,
        rate_low=rate.low,
        rate_high=rate.high,
        unit=BYTES_PER_REQUEST if per_request else BYTES_PER_S,
        margin=verdict.margin.per_request if per_request else verdict.margin.per_s,
        rss_end_bytes=arm.rss_end_bytes,
        p99_ms=arm.latency_ms.p99 if arm.latency_ms else None,
        planned_load_s=summary.planned_load_s,
        limit_bytes=arm.limit_bytes,
        conditions_sha256=summary.conditions_sha256,
    )


def _compared(runs: list[HistoryRun]) -> tuple[HistoryRun, ...]:
    """Return the runs, each with how it differs from the newest."""
    newest = runs[-1]
    return tuple(replace(run, differs=_difference(run, newest)) for run in runs)


def _difference(run: HistoryRun, newest: HistoryRun) -> str:
    found = [
        (run.status != "complete", run.status),
        (run.status == "complete" and not run.conclusive, "inconclusive recording"),
        (run.arm != newest.arm, f"arm {run.arm}"),
        (run.planned_load_s != newest.planned_load_s, f"load of {run.planned_load_s:g} s"),
        (run.limit_bytes != newest.limit_bytes, "another memory limit"),
        (run.unit != newest.unit, f"margin in {run.unit}"),
    ]
    texts = [text for differs, text in found if differs]
    conditions = {run.conditions_sha256, newest.conditions_sha256} - {None}
    if not texts and len(conditions) > 1:
        texts = ["another load, limit, sampling, Python or host, see soak compare"]
    return ", ".join(texts)
