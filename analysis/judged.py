"""A recording, judged: a verdict on every arm, the candidate's gates, the sign-off."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.arm_verdict import ArmVerdict, Judge, arm_verdict
from analysis.comparison import sides
from analysis.gates import Gate, Side, gates
from analysis.judge import judge
from analysis.load_check import Load, against_arm, reasons
from analysis.recording import Recording
from analysis.signoff import SignOff, sign_off


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts, gates and sign-off of a recording."""

    verdicts: tuple[ArmVerdict, ...]
    """One per arm, in the manifest's order."""
    gates: tuple[Gate, ...]
    """Of the candidate."""
    signoff: SignOff


def judge_recording(recording: Recording, loads: tuple[Load, ...], judge: Judge = judge) -> Judged:
    """Judge every arm, hold the candidate to its gates, and decide on the sign-off."""
    seen = tuple(
        Side(recording, arm, load, arm_verdict(recording, arm, against_arm(recording, arm, load), judge))
        for arm, load in zip(recording.arms, loads, strict=True)
    )
    candidate, baseline = candidate_of(seen), baseline_of(seen)
    verdicts = tuple(side.verdict for side in seen)
    found: tuple[Gate, ...] = ()
    if candidate is not None:
        against = against_arm(recording, candidate.arm, candidate.load)
        found = gates(candidate, baseline, against)
    name = candidate.arm.name if candidate else recording.manifest.judge.candidate
    control = recording.manifest.judge.control
    return Judged(verdicts, found, sign_off(name, control, found, verdicts, reasons(recording, loads)))


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
