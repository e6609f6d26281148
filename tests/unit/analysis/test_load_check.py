from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analysis.findings import find
from analysis.recording import read_recording

Build = Callable[..., Path]


def reasons(run_dir: Path) -> tuple[str, ...]:
    """Return why the recording is inconclusive."""
    return find(read_recording(run_dir)).reasons


def test_a_whole_recording_has_no_reason_against_it(build_run: Build) -> None:
    """Requests missed while an arm was dead are stated, and are no reason."""
    findings = find(read_recording(build_run()))
    assert findings.reasons == ()
    leaky, fixed = findings.loads
    assert (leaky.planned, leaky.sent, leaky.missed, leaky.missed_dead) == (14_400, 14_160, 240, 240)
    assert (fixed.planned, fixed.sent, fixed.missed, fixed.missed_dead) == (14_400, 14_400, 0, 0)
    assert (leaky.arrived, fixed.arrived) == (1.0, 1.0)


def test_a_load_that_did_not_arrive_is_a_reason(build_run: Build) -> None:
    """Nothing can be said of a target that did not get its load."""
    assert reasons(build_run(sent_share=0.975, kill_hour=None)) == (
        "leaky: 14,040 of 14,400 requests planned while it was alive were sent (97.5%, at least 99% are needed)",
        "fixed: 14,040 of 14,400 requests planned while it was alive were sent (97.5%, at least 99% are needed)",
    )


def test_lost_requests_are_a_reason(build_run: Build) -> None:
    """Without requests.csv nobody knows whether the load arrived; one cut short says how far it goes."""
    run_dir = build_run()
    (run_dir / "leaky" / "requests.csv").unlink()
    path = run_dir / "fixed" / "requests.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:100]))
    assert reasons(run_dir) == (
        "leaky/requests.csv is missing (No such file or directory)",
        "fixed: requests.csv has 84 of the load's 180 seconds",
    )


def test_a_run_that_was_interrupted_is_a_reason(build_run: Build) -> None:
    """A Ctrl-C in the middle is told with its detail, and how much of the load there was."""
    assert reasons(build_run(status="interrupted", status_detail="Ctrl-C", end_s=81.0)) == (
        "the run was interrupted: Ctrl-C",
        "the load was cut short: 59 s of the planned 180 s",
    )


def test_a_supervisor_that_was_killed_is_a_reason(build_run: Build) -> None:
    """A manifest that still says running has lost its supervisor."""
    assert reasons(build_run(status="running", end_s=15.0))[0] == (
        "the run never ended its recording: the supervisor was killed, or is still at work"
    )


def test_a_run_that_never_loaded_is_a_reason(build_run: Build) -> None:
    """Without the phase load there is nothing to judge."""
    assert reasons(build_run(status="failed", status_detail="port taken", end_s=15.0)) == (
        "the run failed: port taken",
        "the run did not reach the phase load",
    )


def test_missed_ticks_are_a_reason_beyond_one_in_twenty(build_run: Build) -> None:
    """Nine of 180 seconds may be missed, or read without memory; ten may not."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:60] + lines[69:]))
    assert reasons(run_dir) == ()
    path.write_text("".join(lines[:60] + lines[70:]))
    assert reasons(run_dir) == ("fixed: memory was read in 170 of the 180 seconds it was alive and loaded",)
