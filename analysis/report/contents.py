"""The contents of a report, computed once; the modules that print, draw and write it compute nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.growth.arm import ArmGrowth, find_growth
from analysis.incident.claims import Claim, claims
from analysis.incident.comparison import comparison_rows
from analysis.incident.row import ComparisonRow
from analysis.incident.timeline import timeline
from analysis.prometheus.services import ServiceRow
from analysis.recording.model import Recording
from analysis.report.site_lines import with_places
from analysis.report.story import LeakStory, leak_stories
from analysis.sites.found import ArmSites, arm_sites
from analysis.slopes import LifeSlopes, slopes_of_lives
from analysis.verdict.processes import ProcessRow, process_rows
from analysis.verdict.run import JudgedRun, judged_run
from analysis.verdict.validity import LoadSummary


@dataclass(frozen=True, slots=True)
class ReportContents:
    """Everything computed of a recording that a report shows."""

    recording: Recording
    judged: JudgedRun
    rows: tuple[ComparisonRow, ...]
    claims: tuple[Claim, ...]
    timeline: tuple[Claim, ...]
    """The lines of the incident's log."""
    slopes: tuple[LifeSlopes, ...]
    growth: tuple[ArmGrowth, ...] = ()
    """Leak suspects and memory breakdown, one per arm in the same order; empty without a load."""
    sites: tuple[ArmSites, ...] = ()
    """What the replay of each arm that was replayed, or refused to be, found."""
    stories: tuple[LeakStory, ...] = ()
    """The story of each arm that is LEAK."""
    processes: tuple[ProcessRow, ...] = ()
    """The processes of every arm that had several at a time under load, arm by arm."""
    services: tuple[ServiceRow, ...] = ()
    """What is to be known of each arm whose memory is Prometheus's."""

    @property
    def loads(self) -> tuple[LoadSummary, ...]:
        """The load of each arm, in the manifest's order."""
        return tuple(one.load for one in self.judged.arms)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the recording is inconclusive; empty when it is complete and the load arrived."""
        return self.judged.reasons


def report_contents(recording: Recording) -> ReportContents:
    """Compute a report's content from a recording."""
    slopes = slopes_of_lives(recording.arms, recording.load)
    judged = judged_run(recording)
    sites = arm_sites(recording, judged.verdicts)
    growth = with_places(find_growth(recording, judged.verdicts), sites)
    return ReportContents(
        recording=recording,
        judged=judged,
        rows=comparison_rows(recording),
        claims=claims(recording, slopes, tuple(one.load for one in judged.arms)),
        timeline=timeline(recording),
        slopes=slopes,
        growth=growth,
        sites=sites,
        stories=leak_stories(recording, judged.arms, growth, sites),
        processes=tuple(
            row for one in judged.arms for row in process_rows(one.arm, recording.load, one.verdict.margin)
        ),
    )
