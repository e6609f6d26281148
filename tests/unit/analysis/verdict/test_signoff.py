"""Who signs, who does not, and with which exit code."""

from __future__ import annotations

import pytest

from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, Verdict
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.gates import Gate, GateReason, GateResult
from analysis.verdict.signoff import SignOff, sign_off, watched
from analysis.verdict.validity import Objection, ObjectionKind


def verdict(arm: str, of: Verdict) -> ArmVerdict:
    """Return a verdict without figures."""
    return ArmVerdict(arm, of, "", Margin(per_s=1.0), None, (), None, 0)


def gate(name: str, result: str) -> Gate:
    """Return a gate without figures."""
    return Gate(name, "new", "count", None, None, GateResult(result), GateReason.WITHIN)


def decide(
    *results: str,
    old: Verdict | None = LEAK,
    candidate: str = "new",
    control: str = "old",
    reasons: tuple[str, ...] = (),
) -> SignOff:
    """Decide on a candidate ``new`` whose gates have these results, beside a control ``old``."""
    gates = tuple(gate(f"g{number}", result) for number, result in enumerate(results))
    verdicts = (verdict("new", NO_LEAK), *((verdict("old", old),) if old else ()))
    objections = tuple(Objection(None, ObjectionKind.GAP, text) for text in reasons)
    return sign_off(candidate or None, control, gates, verdicts, objections)


def test_all_gates_and_a_leaking_control_sign() -> None:
    """Exit code 0, and the sentence says that the control was seen."""
    found = decide("pass", "pass")
    assert (found.decision, found.exit_code) == ("signed", 0)
    assert found.sentence == "SIGNED OFF: new passed all 2 gates; the leak in the control (old) was detected"


@pytest.mark.parametrize("seen", [LEAK, NO_LEAK])
def test_a_gate_that_fails_is_not_signed_whatever_the_control(seen: Verdict) -> None:
    """Exit code 3 names the gates; neither an undecided gate nor a healthy control hides them."""
    found = decide("pass", "fail", "inconclusive", "fail", old=seen, reasons=("cut short",))
    assert (found.decision, found.exit_code) == ("failed", 3)
    assert found.sentence == "NOT SIGNED OFF: new failed the gates g1, g3"


@pytest.mark.parametrize(
    ("seen", "how"),
    [(NO_LEAK, "is NO LEAK"), (INCONCLUSIVE, "is INCONCLUSIVE"), (None, "did not run")],
)
def test_a_harness_that_does_not_see_a_leak_signs_nothing(seen: Verdict | None, how: str) -> None:
    """A control that is healthy, undecided or absent refuses the sign-off: exit code 4."""
    found = decide("pass", old=seen)
    assert (found.decision, found.exit_code) == ("refused", 4)
    assert found.sentence == (f"REFUSED: control old {how}; sign-off requires its known leak to be detected")


def test_an_undecided_gate_is_not_signed() -> None:
    """Exit code 4 names it."""
    found = decide("pass", "inconclusive")
    assert (found.decision, found.exit_code) == ("inconclusive", 4)
    assert found.sentence == "NOT SIGNED OFF: new: the gate g1 could not be decided"


def test_a_recording_with_something_against_it_is_not_signed() -> None:
    """Also where it concerns another arm only."""
    found = decide("pass", reasons=("old: its probe answered at 1 of 9 samples under load",))
    assert (found.decision, found.exit_code) == ("inconclusive", 4)


def test_a_profile_without_a_control_is_signed_and_says_so() -> None:
    """A service of one's own has no leaky build to hand."""
    found = decide("pass", control="", old=None)
    assert (found.sentence, found.exit_code) == ("SIGNED OFF: new passed its gate; no control ran", 0)


def test_without_a_candidate_there_is_nothing_to_sign() -> None:
    """A lone baseline is no failure; a named candidate that did not run is a refusal."""
    assert decide(candidate="").exit_code == 0
    assert decide(candidate="").sentence == (
        'No sign-off: no candidate arm (set role = "after" or judge.candidate)'
    )
    assert decide(candidate="", reasons=("cut short",)).exit_code == 4
    arms = (verdict("a", LEAK), verdict("b", LEAK), verdict("c", NO_LEAK))
    leaking = sign_off(None, "", (), arms, (), without_role=("a", "b", "c"))
    assert (leaking.decision, leaking.exit_code) == ("none", 3)
    assert leaking.sentence.endswith("; LEAK: a, b")
    assert sign_off(None, "", (), arms, ()).exit_code == 0  # before, by their role
    missing = decide("pass", candidate="newer")
    assert (missing.decision, missing.exit_code) == ("refused", 4)
    assert missing.sentence == "REFUSED: the candidate newer did not run"


@pytest.mark.parametrize(
    ("verdicts", "sentence", "code"),
    [
        ((NO_LEAK, NO_LEAK), "no leak", 0),
        ((LEAK, NO_LEAK), "LEAK: pid_1", 3),
        ((NO_LEAK, LEAK), "LEAK: pid_2", 3),
        ((INCONCLUSIVE, LEAK), "LEAK: pid_2; INCONCLUSIVE: pid_1", 3),
        ((INCONCLUSIVE, INCONCLUSIVE), "INCONCLUSIVE: pid_1, pid_2", 4),
    ],
)
def test_of_what_was_only_watched_the_worst_decides(
    verdicts: tuple[Verdict, ...], sentence: str, code: int
) -> None:
    """Whichever of the processes it is; nothing is signed off."""
    found = watched(tuple(verdict(f"pid_{n}", one) for n, one in enumerate(verdicts, 1)))
    assert (found.decision, found.exit_code) == ("none", code)
    assert found.sentence == f"Watched only, nothing to sign off; {sentence}"


def test_a_recording_of_what_was_watched_that_is_not_whole_clears_nothing() -> None:
    """Exit code 4."""
    gap = Objection(None, ObjectionKind.GAP, "samples.csv is cut short")
    assert watched((verdict("pid_1", NO_LEAK),), (gap,)).exit_code == 4
