"""The copy of the candidate as the control: planted truth both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.judge.types import Rate
from analysis.recording.read import read_recording
from analysis.verdict.injected import ControlResult, agrees
from analysis.verdict.run import JudgedRun, judged_run
from tests.support.planted_control import Kept, PlantedControl, write_control


@pytest.mark.parametrize(
    ("measured", "own", "expected"),
    [
        (Rate(800, 790, 810), Rate(0, -5, 5), True),
        (Rate(860, 846, 870), Rate(0, -5, 5), False),  # 5% and the candidate's interval end at 845
        (Rate(860, 844, 870), Rate(0, -5, 5), True),
        (Rate(740, 730, 754), Rate(0, -5, 5), False),
        (Rate(740, 730, 756), Rate(0, -5, 5), True),
        (Rate(900, 890, 910), Rate(100, 95, 105), True),  # the candidate leaks, and its copy as much more
        (Rate(800, 790, 810), Rate(100, 95, 105), False),
        (Rate(300, -100, 900), Rate(0, -5, 5), True),
        (Rate(400, 390, 410), Rate(0, -400, 400), True),  # the candidate's own rate is not known any better
    ],
)
def test_the_interval_must_meet_the_injected_rate_beside_the_candidates_own(
    measured: Rate, own: Rate, *, expected: bool
) -> None:
    """Of 800 injected, 5% may be uncounted; both intervals are taken whole."""
    assert agrees(800, measured, own) is expected


@pytest.fixture
def judge_control(tmp_path: Path) -> Any:
    def judge(**truth: Any) -> JudgedRun:
        return judged_run(read_recording(write_control(tmp_path / "run", PlantedControl(**truth))))

    return judge


class TestByTheRealJudge:
    """Planted truth through all of the analysis."""

    @pytest.mark.slow
    @pytest.mark.parametrize("per_s", [False, True])
    def test_a_leak_that_is_seen_at_its_rate_signs(self, judge_control: Any, *, per_s: bool) -> None:
        """The sentence names the copy and the rate, per request or per hour as the margin is."""
        judged = judge_control(per_s=per_s)
        assert judged.control.result is ControlResult.SEEN
        rate = "54.9 MiB/h" if per_s else "800 B/request"
        assert judged.signoff.sentence == (
            f"SIGNED OFF: app passed its gate; the leak injected into its copy (app.leak, {rate}) was detected"
        )
        assert judged.signoff.exit_code == 0
        worth = 20 if per_s else 1
        assert judged.control.measured.low < 800 * worth < judged.control.measured.high
        assert judged.control.own.low < 0 < judged.control.own.high

    @pytest.mark.slow
    def test_a_leak_that_is_not_seen_signs_nothing(self, judge_control: Any) -> None:
        """The probe kept the bytes, and no memory of the copy shows them."""
        judged = judge_control(copy=Kept())
        assert judged.control.result is ControlResult.NOT_CALLED
        assert (judged.signoff.decision, judged.signoff.exit_code) == ("refused", 4)
        assert judged.signoff.sentence == (
            "REFUSED: control app.leak is not LEAK by its memory but NO LEAK; sign-off requires its injected leak of "
            "800 B/request to be detected"
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("kept", [Kept(300.0, 300.0), Kept(500.0, 500.0)])
    def test_a_leak_at_another_rate_signs_nothing(self, judge_control: Any, kept: Kept) -> None:
        """It is called LEAK, by three quarters or five quarters of what was injected."""
        judged = judge_control(copy=kept)
        assert judged.control.called_by
        assert judged.control.result is ControlResult.RATE_OUTSIDE
        assert (judged.signoff.decision, judged.signoff.exit_code) == ("refused", 4)
        assert "which does not agree with the injected 800 B/request" in judged.signoff.sentence

    @pytest.mark.slow
    def test_the_candidates_own_leak_is_no_error_of_the_control(self, judge_control: Any) -> None:
        """A candidate that leaks fails its gate, and its copy leaks as much more as was injected."""
        judged = judge_control(candidate=Kept(500.0, 0.0), copy=Kept(900.0, 400.0))
        assert judged.control.result is ControlResult.SEEN
        assert (judged.signoff.decision, judged.signoff.exit_code) == ("failed", 3)


@pytest.mark.usefixtures("planted_verdicts")
class TestByAPlantedJudge:
    """What surrounds the check."""

    def test_a_copy_without_a_probe_signs_nothing(self, judge_control: Any) -> None:
        """Also where it leaks by itself: nothing was injected."""
        judged = judge_control(probe=False, injected_bytes={"python": 0, "native": 0})
        assert judged.control.result is ControlResult.NOT_INJECTED
        assert judged.signoff.sentence == (
            "REFUSED: control app.leak: no leak was injected, its processes have no probe"
        )

    def test_a_probe_that_keeps_nothing_signs_nothing(self, judge_control: Any) -> None:
        """As one that lost the variable which permits it."""
        judged = judge_control(copy=Kept(), injected_bytes={"python": 0, "native": 0})
        assert judged.signoff.sentence == (
            "REFUSED: control app.leak: no leak was injected, the probe kept nothing of it"
        )

    def test_a_run_that_was_killed_shows_what_was_injected_all_the_same(self, judge_control: Any) -> None:
        """The amounts are recorded at its end; the readings have the leak without them."""
        judged = judge_control(injected_bytes={"python": 0, "native": 0})
        assert judged.control.result is ControlResult.SEEN

    def test_a_load_that_did_not_reach_the_copy_signs_nothing(self, judge_control: Any) -> None:
        """The objection to its recording stands against the control, and the reasons name it."""
        judged = judge_control(sent_share=0.5)
        assert judged.control.result is ControlResult.NOT_CALLED
        assert judged.signoff.exit_code == 4
        assert any(reason.startswith("app.leak: ") for reason in judged.reasons)

    def test_the_copy_is_no_arm_to_compare(self, judge_control: Any) -> None:
        """The run has one build; the copy is the control alone."""
        judged = judge_control()
        assert [one.arm.name for one in judged.arms] == ["app"]
        assert [gate.arm for gate in judged.gates] == ["app"]
        assert judged.control.copy.arm.name == "app.leak"
