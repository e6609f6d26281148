"""Whether a candidate is signed off: all of its gates, and a control whose leak is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from analysis.judge.types import INCONCLUSIVE, LEAK, Verdict
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.gates import Gate, GateResult
from analysis.verdict.injected import ControlResult, InjectedControl
from analysis.verdict.validity import Objection, ObjectionKind
from analysis.verdict.wording import injected_text, refusal
from soak.contract import verdict_name
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

Decision = Literal["signed", "failed", "inconclusive", "refused", "none"]


@dataclass(frozen=True, slots=True)
class SignOff:
    """The end of a report."""

    decision: Decision
    """``refused``: the control's known leak was not detected, or an injected one not at its rate; ``none``: no arm is
    the candidate."""
    sentence: str
    candidate: str
    control: str
    exit_code: int


EXIT_CODES: Final[dict[Decision, int]] = {
    "signed": EXIT_OK,
    "failed": EXIT_GATE_FAILED,
    "inconclusive": EXIT_INCONCLUSIVE,
    "refused": EXIT_INCONCLUSIVE,
    "none": EXIT_OK,
}


def sign_off(
    candidate: str | None,
    control: str,
    gates: tuple[Gate, ...],
    verdicts: tuple[ArmVerdict, ...],
    objections: tuple[Objection, ...],
    injected: InjectedControl | None = None,
    *,
    without_role: tuple[str, ...] = (),
) -> SignOff:
    """Decide from the candidate's ``gates`` and the control's verdict; there may be none of either.

    Without a candidate the arms ``without_role`` decide the exit code: a leak of one is 3, as of what is only watched.
    ``injected`` is the control where that is a copy of the candidate. ``objections`` are those that stand against the
    recording as a whole. One that was changed decides nothing; else a gate that failed decides before all else, then an
    end that was not planned. Without a control the gates decide alone.
    """
    changed = next((one.text for one in objections if one.kind is ObjectionKind.CHANGED), "")
    ended = next((one.text for one in objections if one.kind is ObjectionKind.RUN), "")
    by_arm = {verdict.arm: verdict.verdict for verdict in verdicts}
    failed = [gate.gate for gate in gates if gate.result is GateResult.FAIL]
    if not candidate:
        found: tuple[Decision, str] = (
            "none",
            'No sign-off: no candidate arm (set role = "after" or judge.candidate)',
        )
    elif changed:
        found = "inconclusive", f"NOT SIGNED OFF: the recording was changed: {changed}"
    elif candidate not in by_arm:
        found = "refused", f"REFUSED: the candidate {candidate} did not run"
    elif failed:
        found = "failed", f"NOT SIGNED OFF: {candidate} failed {_names(failed)}"
    elif ended:
        found = "inconclusive", f"NOT SIGNED OFF: {ended}"
    elif injected is not None and injected.result is not ControlResult.SEEN:
        found = "refused", f"REFUSED: control {refusal(injected)}"
    elif control and injected is None and by_arm.get(control) != LEAK:
        found = "refused", _refusal(control, by_arm.get(control))
    else:
        found = _passed(candidate, _detected(control, injected), gates, objections)
    code = EXIT_INCONCLUSIVE if found[0] == "none" and objections else EXIT_CODES[found[0]]
    if found[0] == "none" and (leaks := [arm for arm in without_role if by_arm.get(arm) == LEAK]):
        found, code = ("none", f"{found[1]}; {verdict_name(LEAK)}: {', '.join(leaks)}"), EXIT_GATE_FAILED
    return SignOff(*found, candidate=candidate or "", control=control, exit_code=code)


def watched(verdicts: tuple[ArmVerdict, ...], objections: tuple[Objection, ...] = ()) -> SignOff:
    """Return the end of a report on what was running already: nothing is signed off, the worst verdict decides.

    One leak is exit code 3; else one verdict that is open, or an objection, is 4.
    """
    leaks = [one.arm for one in verdicts if one.verdict == LEAK]
    undecided = [one.arm for one in verdicts if one.verdict == INCONCLUSIVE]
    found = [
        f"{verdict_name(verdict)}: {', '.join(arms)}"
        for verdict, arms in ((LEAK, leaks), (INCONCLUSIVE, undecided))
        if arms
    ]
    code = EXIT_GATE_FAILED if leaks else EXIT_INCONCLUSIVE if undecided or objections else EXIT_OK
    return SignOff(
        "none", f"Watched only, nothing to sign off; {'; '.join(found) or 'no leak'}", "", "", code
    )


def _refusal(control: str, seen: Verdict | None) -> str:
    how = "did not run" if seen is None else f"is {verdict_name(seen)}"
    return f"REFUSED: control {control} {how}; sign-off requires its known leak to be detected"


def _detected(control: str, injected: InjectedControl | None) -> str:
    if injected is not None:
        return f"the leak injected into its copy ({control}, {injected_text(injected)}) was detected"
    return f"the leak in the control ({control}) was detected" if control else "no control ran"


def _passed(
    candidate: str, detected: str, gates: tuple[Gate, ...], objections: tuple[Objection, ...]
) -> tuple[Decision, str]:
    undecided = [gate.gate for gate in gates if gate.result is not GateResult.PASS]
    if undecided:
        return "inconclusive", f"NOT SIGNED OFF: {candidate}: {_names(undecided)} could not be decided"
    if objections:
        return (
            "inconclusive",
            f"NOT SIGNED OFF: {candidate} passed its gates, but the recording is inconclusive",
        )
    count = "its gate" if len(gates) == 1 else f"all {len(gates)} gates"
    return "signed", f"SIGNED OFF: {candidate} passed {count}; {detected}"


def _names(gates: list[str]) -> str:
    return f"the gate{'s' if len(gates) > 1 else ''} {', '.join(gates)}"
