"""Whether a candidate is signed off: all of its gates, and a control whose leak is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from analysis.formatting import verdict_name
from analysis.judge.types import LEAK, Verdict
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.gates import Gate
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

Decision = Literal["signed", "failed", "inconclusive", "refused", "none"]


@dataclass(frozen=True, slots=True)
class SignOff:
    """The end of a report."""

    decision: Decision
    """``refused``: the control's leak was not seen, so the harness signs nothing; ``none``: no arm is the candidate."""
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
    candidate: str,
    control: str,
    gates: tuple[Gate, ...],
    verdicts: tuple[ArmVerdict, ...],
    reasons: tuple[str, ...],
) -> SignOff:
    """Decide from the candidate's ``gates`` and the control's verdict; either name may be empty.

    A gate that failed says so whatever else is the matter. Without a control the gates decide alone. ``reasons`` are
    what stands against the recording as a whole.
    """
    by_arm = {verdict.arm: verdict.verdict for verdict in verdicts}
    failed = [gate.gate for gate in gates if gate.outcome == "fail"]
    if not candidate:
        found: tuple[Decision, str] = (
            "none",
            "Nothing to sign: no arm has the role after, and none is the candidate",
        )
    elif candidate not in by_arm:
        found = "refused", f"REFUSED: the candidate {candidate} did not run"
    elif failed:
        found = "failed", f"NOT SIGNED: {candidate} fails {_names(failed)}"
    elif control and by_arm.get(control) != LEAK:
        found = "refused", _refusal(control, by_arm.get(control))
    else:
        found = _passed(candidate, control, gates, reasons)
    code = EXIT_INCONCLUSIVE if found[0] == "none" and reasons else EXIT_CODES[found[0]]
    return SignOff(*found, candidate=candidate, control=control, exit_code=code)


def _refusal(control: str, seen: Verdict | None) -> str:
    how = "did not run" if seen is None else f"is {verdict_name(seen)}"
    return f"REFUSED: the control {control} {how} but must be LEAK: a harness that does not see a leak signs nothing"


def _passed(
    candidate: str, control: str, gates: tuple[Gate, ...], reasons: tuple[str, ...]
) -> tuple[Decision, str]:
    undecided = [gate.gate for gate in gates if gate.outcome != "pass"]
    if undecided:
        return "inconclusive", f"NOT SIGNED: {candidate}: {_names(undecided)} could not be decided"
    if reasons:
        return "inconclusive", f"NOT SIGNED: {candidate} passes its gates, but the recording is inconclusive"
    count = "its gate" if len(gates) == 1 else f"all {len(gates)} gates"
    with_control = f"the leak of the control {control} was seen" if control else "no control ran"
    return "signed", f"SIGNED: {candidate} passes {count}, and {with_control}"


def _names(gates: list[str]) -> str:
    return f"the gate{'s' if len(gates) > 1 else ''} {', '.join(gates)}"
