"""All that a report says, computed once; what prints, draws and writes it computes nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.growth.arm import ArmGrowth, find_growth
from analysis.incident.claims import Claim, claims
from analysis.incident.comparison import compare
from analysis.incident.row import ComparisonRow
from analysis.incident.timeline import timeline
from analysis.judge import judge
from analysis.recording.model import Recording
from analysis.slopes import LifeSlopes, slopes_of_lives
from analysis.verdict.arm import Judge
from analysis.verdict.run import Judged, judge_recording
from analysis.verdict.validity import LoadSummary, load_summary


@dataclass(frozen=True, slots=True)
class ReportContents:
    """What a recording shows."""

    recording: Recording
    judged: Judged
    rows: tuple[ComparisonRow, ...]
    claims: tuple[Claim, ...]
    timeline: tuple[Claim, ...]
    """The lines of the incident's log."""
    slopes: tuple[LifeSlopes, ...]
    loads: tuple[LoadSummary, ...]
    """One per arm, in the manifest's order."""
    growth: tuple[ArmGrowth, ...] = ()
    """Leak suspects and memory breakdown, one per arm in the same order; empty without a load."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the recording is inconclusive; empty when it is complete and the load arrived."""
        return self.judged.reasons


def report_contents(recording: Recording, judge: Judge = judge) -> ReportContents:
    """Compute a report's content from a recording; ``judge`` judges one signal."""
    loads = tuple(load_summary(arm, recording.load) for arm in recording.arms)
    slopes = slopes_of_lives(recording.arms, recording.load)
    judged = judge_recording(recording, judge)
    return ReportContents(
        recording=recording,
        judged=judged,
        rows=compare(recording),
        claims=claims(recording, slopes, loads),
        timeline=timeline(recording),
        slopes=slopes,
        loads=loads,
        growth=find_growth(recording, judged.verdicts),
    )
