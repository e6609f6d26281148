"""A recording, judged: a verdict on every arm, the candidate's gates, the sign-off."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.judge import judge
from analysis.judge.types import LEAK
from analysis.recording.model import Arm, Recording, sides
from analysis.verdict.arm import ArmVerdict, Judge, arm_verdict
from analysis.verdict.gates import Gate, Side, gates
from analysis.verdict.signoff import SignOff, sign_off
from analysis.verdict.validity import against_arm, load_summary, reasons, unread


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts, gates and sign-off of a recording."""

    verdicts: tuple[ArmVerdict, ...]
    """One per arm, in the manifest's order."""
    gates: tuple[Gate, ...]
    """Of the candidate."""
    signoff: SignOff
    reasons: tuple[str, ...]
    """What stands against the recording as a whole; empty when it is complete and the load arrived."""


def judge_recording(recording: Recording, judge: Judge = judge) -> Judged:
    """Judge every arm, hold the candidate to its gates, and decide on the sign-off."""
    seen = judge_sides(recording, judge)
    candidate = candidate_of(seen)
    return decide(recording, seen, candidate, baseline_of(seen))


def judge_sides(recording: Recording, judge: Judge = judge) -> tuple[Side, ...]:
    """Judge every arm, each with its own load held against it."""
    return tuple(_side(recording, arm, judge) for arm in recording.arms)


def _side(recording: Recording, arm: Arm, judge: Judge) -> Side:
    load = load_summary(arm, recording.load)
    against, missing = against_arm(recording, arm, load), unread(recording, arm)
    return Side(recording, arm, load, arm_verdict(recording, arm, against, judge, unread=missing))


def decide(
    recording: Recording, seen: tuple[Side, ...], candidate: Side | None, baseline: Side | None
) -> Judged:
    """Hold the candidate, which may be none, to the gates of its profile, and decide on the sign-off."""
    verdicts = tuple(side.verdict for side in seen)
    found: tuple[Gate, ...] = ()
    if candidate is not None:
        found = gates(candidate, baseline, against_arm(recording, candidate.arm, candidate.load))
    name = candidate.arm.name if candidate else recording.manifest.judge.candidate
    excused = {
        reason for side in seen if side.verdict.verdict == LEAK for reason in unread(recording, side.arm)
    }
    against = (
        *(
            reason
            for reason in reasons(recording, tuple(side.load for side in seen))
            if reason not in excused
        ),
        *_against_baseline(recording, baseline),
    )
    if recording.stopped_early and not any(gate.outcome == "fail" for gate in found):
        # It was ended because a gate was certain to fail; when none did, there is no ground to sign on.
        against = (*against, f"the load was ended early: {recording.stopped_early}")
    signoff = sign_off(name, recording.manifest.judge.control, found, verdicts, against)
    return Judged(verdicts, found, signoff, against)


def _against_baseline(recording: Recording, baseline: Side | None) -> tuple[str, ...]:
    """Return what stands against the arm of another recording that limits with ``x before`` refer to."""
    compared = any(limit.of_before for limit in recording.manifest.gates)
    if not compared or baseline is None or baseline.recording is recording:
        return ()
    run_id = baseline.recording.manifest.run_id
    return tuple(
        f"{run_id}: {reason}" for reason in against_arm(baseline.recording, baseline.arm, baseline.load)
    )


def candidate_of(seen: tuple[Side, ...]) -> Side | None:
    """Return the arm that is signed off: the profile's, else the one after, else the only one."""
    by_name = {side.arm.name: side for side in seen}
    wanted = seen[0].recording.manifest.judge.candidate
    if wanted:
        return by_name.get(wanted)
    before, after = sides(tuple(side.arm for side in seen))
    arm = after or (before if before is not None and not before.role and len(seen) == 1 else None)
    return by_name[arm.name] if arm else None


def baseline_of(seen: tuple[Side, ...]) -> Side | None:
    """Return the arm that limits with ``x before`` refer to."""
    before, _ = sides(tuple(side.arm for side in seen))
    return next((side for side in seen if before is not None and side.arm.name == before.name), None)
