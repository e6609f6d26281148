"""All that a report says, computed once; what prints, draws and writes it computes nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.arm_verdict import Judge
from analysis.claims import Claim, claims
from analysis.comparison import compare
from analysis.grew import ArmGrew, grew
from analysis.judge import judge
from analysis.judged import Judged, judge_recording
from analysis.load_check import Load, arm_load
from analysis.recording import Recording
from analysis.rows import Row
from analysis.timeline import timeline
from analysis.trend import Trend, trends


@dataclass(frozen=True, slots=True)
class Findings:
    """What a recording shows."""

    recording: Recording
    judged: Judged
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    timeline: tuple[Claim, ...]
    """The lines of the article's log."""
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
