"""A recording, judged: a verdict on every arm, the candidate's gates, the sign-off."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.recording.model import Recording
from analysis.verdict.arm import ArmVerdict, JudgedArm, judged_arm
from analysis.verdict.gates import Gate, GateResult, candidate_gates, leak_gate
from analysis.verdict.injected import InjectedControl, injected_control
from analysis.verdict.signoff import SignOff, sign_off, watched
from analysis.verdict.validity import Objection, ObjectionKind, all_objections


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """The arms, gates and sign-off of a recording."""

    arms: tuple[JudgedArm, ...]
    """In the manifest's order, without the copy of the candidate."""
    gates: tuple[Gate, ...]
    """The gates of the candidate; of attached processes, which are no candidates, the gate ``leak`` of each."""
    signoff: SignOff
    objections: tuple[Objection, ...]
    """All that stand against the recording as a whole; empty when it is complete and the load arrived."""
    control: InjectedControl | None = None
    """The copy of the candidate into which a leak was injected; None without one."""

    @property
    def verdicts(self) -> tuple[ArmVerdict, ...]:
        """The verdicts, one per arm."""
        return tuple(one.verdict for one in self.arms)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The objections as sentences, each with its arm."""
        return tuple(one.sentence for one in self.objections)


@dataclass(frozen=True, slots=True)
class Release:
    """The candidate of an earlier recording, to which limits with ``x before`` refer instead of an arm of the run."""

    run_id: str
    arm: JudgedArm


def judged_run(recording: Recording, release: Release | None = None) -> JudgedRun:
    """Judge every arm, hold the candidate to its gates, and decide on the sign-off."""
    manifest = recording.manifest
    arms = tuple(judged_arm(recording, arm) for arm in recording.arms)
    if manifest.attached:
        objections = all_objections(recording, (arm.standing for arm in arms))
        verdicts = tuple(one.verdict for one in arms)
        return JudgedRun(arms, tuple(map(leak_gate, verdicts)), watched(verdicts, objections), objections)
    candidate = arm_named(arms, manifest.candidate)
    baseline = release.arm if release else arm_named(arms, manifest.baseline)
    gates = candidate_gates(candidate, baseline, manifest.gates) if candidate else ()
    control = _injected_control(recording, candidate)
    judged = arms if control is None else (*arms, control.copy)
    objections = (
        *all_objections(recording, (arm.standing for arm in judged)),
        *_against_release(recording, release),
    )
    if recording.stopped_early and not any(gate.result is GateResult.FAIL for gate in gates):
        # It was ended because a gate was certain to fail; when none did, there is no ground to sign on.
        text = f"the load was ended early: {recording.stopped_early}"
        objections = (*objections, Objection(None, ObjectionKind.RUN, text))
    verdicts = tuple(one.verdict for one in arms)
    signoff = sign_off(
        manifest.candidate,
        manifest.judge.control,
        gates,
        verdicts,
        objections,
        control,
        without_role=tuple(one.arm.name for one in arms if not one.arm.role),
    )
    return JudgedRun(arms, gates, signoff, objections, control)


def arm_named(arms: tuple[JudgedArm, ...], name: str | None) -> JudgedArm | None:
    """Return the arm of that name; None where there is none."""
    return next((one for one in arms if one.arm.name == name), None)


def _injected_control(recording: Recording, candidate: JudgedArm | None) -> InjectedControl | None:
    copy, manifest = recording.copy, recording.manifest
    leak = next((arm.injected for arm in manifest.arms if copy and arm.name == copy.name), None)
    if copy is None or leak is None:
        return None
    injected_bytes = manifest.injected_bytes.get(copy.name, {})
    return injected_control(judged_arm(recording, copy), candidate, recording.load, leak, injected_bytes)


def _against_release(recording: Recording, release: Release | None) -> tuple[Objection, ...]:
    """Return the objections to the earlier recording: all where a gate refers to its arm, else that it was changed."""
    if release is None:
        return ()
    found = release.arm.objections
    if not any(limit.needs_before for limit in recording.manifest.gates):
        found = tuple(one for one in found if one.kind is ObjectionKind.CHANGED)
    return tuple(
        Objection(
            None,
            one.kind if one.kind is ObjectionKind.CHANGED else ObjectionKind.BASELINE,
            f"{release.run_id}: {one.sentence}",
        )
        for one in found
    )
