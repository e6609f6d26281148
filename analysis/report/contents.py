"""All that a report says, computed once; what prints, draws and writes it computes nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.growth.arm import ArmGrew, grew
from analysis.incident.claims import Claim, claims
from analysis.incident.comparison import compare
from analysis.incident.row import Row
from analysis.incident.timeline import timeline
from analysis.judge import judge
from analysis.recording.model import Recording
from analysis.slopes import Trend, trends
from analysis.verdict.arm import Judge
from analysis.verdict.run import Judged, judge_recording
from analysis.verdict.validity import Load, arm_load


@dataclass(frozen=True, slots=True)
class Findings:
    """What a recording shows."""

    recording: Recording
    judged: Judged
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    timeline: tuple[Claim, ...]
    """The lines of the incident's log."""
    trends: tuple[Trend, ...]
    loads: tuple[Load, ...]
    """One per arm, in the manifest's order."""
    grew: tuple[ArmGrew, ...] = ()
    """What grew, one per arm in the same order; none where there was no load."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the recording is inconclusive; empty when it is complete and the load arrived."""
        return self.judged.reasons


def find(recording: Recording, judge: Judge = judge) -> Findings:
    """Compute a report's content from a recording; ``judge`` judges one signal."""
    loads = tuple(arm_load(arm, recording.load) for arm in recording.arms)
    slopes = trends(recording.arms, recording.load)
    judged = judge_recording(recording, judge)
    return Findings(
        recording=recording,
        judged=judged,
        rows=compare(recording),
        claims=claims(recording, slopes, loads),
        timeline=timeline(recording),
        trends=slopes,
        loads=loads,
        grew=grew(recording, judged.verdicts),
    )
