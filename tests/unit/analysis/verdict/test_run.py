"""A recording as a whole: what it is signed on, and what keeps it from being signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.verdict.run import Release, arm_named, judged_run
from soak import contract
from soak.contract import GateLimit

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

EARLY = "its memory reached 90.0 MB, and the gate max_rss is <= 85 MB"
MAX_RSS = (GateLimit("max_rss", "<=", 1.05, of_before=True, text="<= 1.05x before"),)


def stop_early(run_dir: Path) -> Path:
    """Add the event that a load was ended for a gate."""
    with (run_dir / contract.EVENTS).open("a") as events:
        events.write(f'216.0,,stopped_early,,,,,"{EARLY}"\n')
    return run_dir


def test_a_whole_recording_is_signed(build_run: Build) -> None:
    """Nothing stands against it."""
    judged = judged_run(read_recording(build_run()))
    assert (judged.signoff.decision, judged.signoff.exit_code, judged.reasons) == ("signed", 0, ())


def test_a_run_stopped_early_that_fails_no_gate_is_not_signed(build_run: Build) -> None:
    """The gate it was stopped for must have failed; where it did not, half a load is no ground to sign on."""
    judged = judged_run(read_recording(stop_early(build_run())))
    assert [gate.result for gate in judged.gates] == ["pass"]
    assert (judged.signoff.decision, judged.signoff.exit_code) == ("inconclusive", 4)
    assert judged.reasons == (f"the load was ended early: {EARLY}",)


def test_a_run_stopped_early_for_a_gate_that_failed_has_failed(build_run: Build) -> None:
    """That is what stop_on_fail is for: exit code 3, and its shorter load is nothing against it."""
    gates = (GateLimit("max_rss", "<=", 1e6, of_before=False, text="<= 1 MB"),)
    judged = judged_run(read_recording(stop_early(build_run(gates=gates))))
    assert (judged.signoff.decision, judged.signoff.exit_code, judged.reasons) == ("failed", 3, ())


@pytest.mark.parametrize(
    ("gates", "reasons"), [(MAX_RSS, ("release: the run was interrupted: Ctrl-C",)), ((), ())]
)
def test_a_baseline_made_apart_must_be_whole_where_a_gate_refers_to_it(
    build_run: Build, gates: tuple[GateLimit, ...], reasons: tuple[str, ...]
) -> None:
    """A release that was cut short has no highest memory to be 1.05 times of."""
    recording = read_recording(build_run(gates=gates))
    cut = recording.manifest.model_copy(
        update={"run_id": "release", "status": "interrupted", "status_detail": "Ctrl-C"}
    )
    fixed = arm_named(judged_run(replace(recording, manifest=cut)).arms, "fixed")
    assert fixed is not None
    assert judged_run(recording, Release("release", fixed)).reasons == reasons
    assert judged_run(recording).reasons == ()


@pytest.mark.parametrize(("silent", "decision"), [("leaky", "signed"), ("fixed", "inconclusive")])
def test_readings_that_are_missing_hide_a_leak_and_make_none(
    build_run: Build, silent: str, decision: str
) -> None:
    """A probe that fell silent takes nothing from the control's leak; the candidate is not signed without it."""
    recording = read_recording(build_run())
    arms = tuple(
        replace(
            arm,
            samples=arm.samples.assign(probe_ms=arm.samples["probe_ms"].where(arm.samples.index % 3 > 0)),
        )
        if arm.name == silent
        else arm
        for arm in recording.arms
    )
    judged = judged_run(replace(recording, arms=arms))
    assert {verdict.arm: verdict.verdict for verdict in judged.verdicts}["leaky"] == "leak"
    assert judged.signoff.decision == decision
    assert bool(judged.reasons) == (decision != "signed")
