"""From a profile to a run that has ended, on a scripted machine; and the signals that ask for its end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from soak.cli.verify import verify
from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.errors import HarnessError, UsageError
from soak.limit.around import LimitAround
from soak.plan.run_plan import plan_run
from soak.recording.files import record_sums
from soak.status.model import RunStatus
from soak.status.prometheus import RunMetrics
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import STOP_SIGNALS, Ended, Outcome, check_around, noted_signals, run_profile
from soak.supervisor.phases import timed
from soak.supervisor.run import Run
from tests.support.scripted_machine import NoGuard, ScriptedMachine


@pytest.fixture
def profile() -> Profile:
    return load_profile("demo", ["phases.load_s=20", "phases.idle_s=2"])


def launch(
    machine: ScriptedMachine, profile: Profile, runs: Path, script: Callable[[Run], None] = timed
) -> Outcome:
    with Progress(Console(quiet=True)) as progress:
        return run_profile(profile, runs, progress, script, StopRequest(), machine=machine.machine)


def test_a_run_ends_with_hashes_over_all_of_it(profile: Profile, tmp_path: Path) -> None:
    """Nothing runs any more, and no handler of ours is left."""
    machine = ScriptedMachine()
    handler = signal.getsignal(signal.SIGTERM)
    outcome = launch(machine, profile, tmp_path)
    assert outcome.error is None
    assert json.loads((outcome.directory / "manifest.json").read_text())["status"] == "complete"
    assert (outcome.directory / "SHA256SUMS").is_file()
    assert machine.running() == []
    assert signal.getsignal(signal.SIGTERM) is handler
    assert (tmp_path / "latest").resolve() == outcome.directory.resolve()


AROUND = Path("/sys/fs/cgroup/memory.max")


def test_a_pod_that_allows_less_than_an_arm_is_refused(tmp_path: Path) -> None:
    """The kernel would kill for the pod, below the limit of the arm: nothing is started or written."""
    profile = load_profile("demo", ["limit.memory=512 MiB", "phases.load_s=20", "phases.idle_s=2"])
    machine = ScriptedMachine()
    machine.around = LimitAround(300 << 20, AROUND)
    with pytest.raises(
        UsageError, match=r"^limit.memory: 512 MiB for an arm are more than the 300 MiB that /sys/fs/"
    ):
        launch(machine, profile, tmp_path)
    assert (machine.children, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(("around_mib", "warned"), [(512, True), (1024, True), (1025, False), (None, False)])
def test_arms_that_together_meet_the_limit_around_them_are_warned_of(
    tmp_path: Path, around_mib: int | None, warned: bool
) -> None:
    """Two arms of 512 MiB; the run's own processes need some of it, too."""
    profile = load_profile("demo", ["limit.memory=512 MiB"])
    plan = plan_run(profile, tmp_path / "run", tmp_path)
    around = None if around_mib is None else LimitAround(around_mib << 20, AROUND)
    line = check_around(plan, around)
    assert line.startswith("limit.memory: 2 x 512 MiB and the run's own processes can exceed the") is warned


@pytest.mark.parametrize(
    ("memory", "around_bytes", "refused"),
    [
        ("500 MB", 499_998_720, ""),
        ("512 MiB", (512 << 20) - 4096, "512.000 MiB for an arm are more than the 511.996 MiB that"),
        ("512 MiB", (511 << 20) + (600 << 10), "512.0 MiB for an arm are more than the 511.6 MiB that"),
    ],
)
def test_a_limit_holds_whole_pages(tmp_path: Path, memory: str, around_bytes: int, refused: str) -> None:
    """500,000,000 bytes around 500 MB are no less, though the kernel rounds down what it was told; a page less is."""
    plan = plan_run(load_profile("demo", [f"limit.memory={memory}"]), tmp_path / "run", tmp_path)
    around = LimitAround(around_bytes, AROUND)
    if refused:
        with pytest.raises(UsageError, match=f"^limit.memory: {refused}"):
            check_around(plan, around)
    else:
        assert check_around(plan, around).startswith("limit.memory: 2 x 477 MiB and the run's own")


def test_the_private_directory_goes_also_when_somebody_has_killed_the_guard(
    profile: Profile, tmp_path: Path
) -> None:
    """The guard removes it else, after a kill of everything but itself."""
    directories: list[Path] = []

    class KilledGuard(NoGuard):
        def add_directory(self, path: Path) -> None:
            directories.append(path)

    machine = ScriptedMachine()
    with Progress(Console(quiet=True)) as progress:
        scripted = replace(machine.machine, new_guard=KilledGuard)
        run_profile(profile, tmp_path, progress, timed, StopRequest(), machine=scripted)
    [directory] = directories
    assert not directory.exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (HarnessError("stubs ended"), "stubs ended"),
        (OSError(28, "No space left on device", "x.csv"), "x.csv: No space left on device."),
        (ZeroDivisionError("a defect"), "a defect"),
    ],
)
def test_an_error_of_the_run_is_kept_beside_its_recording(
    profile: Profile, tmp_path: Path, error: Exception, sentence: str
) -> None:
    """The report is made first, and then the error is shown."""

    def script(_: Run) -> None:
        raise error

    outcome = launch(ScriptedMachine(), profile, tmp_path, script)
    assert str(outcome.error) == sentence
    assert json.loads((outcome.directory / "manifest.json").read_text())["status"] == "failed"


def test_what_a_thread_would_add_after_the_end_is_dropped(profile: Profile, tmp_path: Path) -> None:
    """One that reads an arm elsewhere may wait for seconds; the hashes are of what was there at the end."""

    def late(ended: Ended) -> None:
        record_sums(ended.plan.run_directory, {})
        ended.session.events.record("gap", "late", arm="fixed")

    with Progress(Console(quiet=True)) as progress:
        outcome = run_profile(
            profile, tmp_path, progress, timed, StopRequest(), then=late, machine=ScriptedMachine().machine
        )
    assert outcome.error is None
    assert verify(outcome.directory).exit_code == 0
    assert "late" not in (outcome.directory / "events.csv").read_text()


def test_nothing_is_shown_of_arms_that_have_ended(profile: Profile, tmp_path: Path) -> None:
    """A replay and the report may take hours: Prometheus would go on reading memory that nobody holds."""
    metrics, seen = RunMetrics(), list[bool]()

    def show(now: RunStatus | None) -> None:
        metrics.show(now)
        seen.append(any(metrics.collect()))

    def replay(_: Ended) -> None:
        seen.append(any(metrics.collect()))

    with Progress(Console(quiet=True), show) as progress:
        machine = ScriptedMachine().machine
        run_profile(profile, tmp_path, progress, timed, StopRequest(), then=replay, machine=machine)
    *during, ended, replayed, left = seen
    assert (set(during), ended, replayed, left) == ({True}, False, False, False)


def test_rows_that_a_target_rewrites_are_a_change(profile: Profile, tmp_path: Path) -> None:
    """It knows the run directory by its log; the hashes are of what was read, not of what it left there."""

    def forge(ended: Ended) -> None:
        for file in ("fixed/samples.csv", "leaky/holders.csv", "events.csv"):
            path = ended.plan.run_directory / file
            path.write_text(path.read_text() + "1.000\n")

    with Progress(Console(quiet=True)) as progress:
        outcome = run_profile(
            profile, tmp_path, progress, timed, StopRequest(), then=forge, machine=ScriptedMachine().machine
        )
    assert outcome.error is None
    lines = verify(outcome.directory).text.splitlines()[1:]
    assert lines == [
        f"- changed: {file}" for file in ("events.csv", "fixed/samples.csv", "leaky/holders.csv")
    ]


def test_a_fault_of_the_profile_is_raised(profile: Profile, tmp_path: Path) -> None:
    """There is nothing to report."""
    machine = ScriptedMachine()
    machine.ready_after_s["leaky"] = 999.0
    with pytest.raises(UsageError, match=r"Fix arms\.leaky\.command"):
        launch(machine, profile, tmp_path)
    assert machine.running() == []


def test_a_command_that_is_not_there_makes_no_directory(profile: Profile, tmp_path: Path) -> None:
    """The run has not begun."""
    leaky = profile.arms["leaky"].model_copy(update={"command": ("no-such-command",)})
    with pytest.raises(UsageError, match=r"arms\.leaky\.command: 'no-such-command' was not found on PATH"):
        launch(ScriptedMachine(), profile.model_copy(update={"arms": {"leaky": leaky}}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_little_free_memory_starts_nothing(tmp_path: Path) -> None:
    """Not even a run directory is made."""
    profile = load_profile("demo", ["limit.needs_free=1000000 GB"])
    with pytest.raises(UsageError, match="free memory"):
        launch(ScriptedMachine(), profile, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_signals_are_noted_and_the_first_one_counts() -> None:
    """Nothing is interrupted where it stands."""
    with noted_signals() as stop_request:
        assert not stop_request.is_noted
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_request.is_noted
        assert stop_request.signal_name == "SIGTERM"


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As nohup wants it of the lost terminal."""
    handled: list[int] = []
    ignored = {signal.SIGHUP: signal.SIG_IGN}
    monkeypatch.setattr(signal, "getsignal", lambda number: ignored.get(number, signal.SIG_DFL))
    monkeypatch.setattr(signal, "signal", lambda number, _: handled.append(number))
    with noted_signals():
        assert handled == [number for number in STOP_SIGNALS if number != signal.SIGHUP]
