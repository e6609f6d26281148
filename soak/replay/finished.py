"""The replay of a run that has ended before: into a directory of its own, beside the run's."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak import contract
from soak.containers.images import images_of
from soak.contract import LEAK, ArmReplay
from soak.contract.hashes import check, listed_files
from soak.errors import HarnessError, UsageError
from soak.plan.arm_plan import ArmPlan
from soak.plan.run_plan import RunPlan, plan_run
from soak.recording.files import amend, first_free, record_sums, write_manifest
from soak.regular_files import read_regular, real_path
from soak.replay.arms import facts, is_eligible, replay_arms
from soak.replay.recorded import Recorded, differences, profile_of, read_recorded
from soak.replay.verdicts import Judged, judged
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import Ended
from soak.supervisor.session import THIS_MACHINE, Machine, Session

MADE_ANEW: Final = (contract.MANIFEST, contract.SUMS, contract.LIVE, contract.STATEMENT, contract.REPORT)
"""Names in a run directory that a replay of it has of its own."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The replay of a finished run."""

    directory: Path
    """A recording of its own: that of the run, and the replay."""
    arms: Mapping[str, ArmReplay]


def replay_finished(
    run: Path, arm: str, progress: Progress, stop_request: StopRequest, machine: Machine = THIS_MACHINE
) -> Replayed | None:
    """Replay the arms of a finished run that leak, or the one that is named; None where none does, and that is printed.

    Raises RecordingError for what is no such run, UsageError where it cannot be replayed as it was then, HarnessError
    where nothing can be written.
    """
    run = real_path(run)
    recorded = read_recorded(run)
    replay_of = {"run": run.name, "sha256": _digest(run)}
    if changed := check(run).differences:  # each file is hashed: the copy gets new hashes
        raise UsageError(f"{run}: {changed[0]}; only what was recorded can be replayed.")
    profile = profile_of(recorded)
    if not profile.replay.seconds:
        raise UsageError(f"{run}: replay.seconds is 0 in its profile: its requests may be sent only once.")
    with ExitStack() as stack:
        guard = machine.new_guard()
        stack.callback(guard.close)
        private = Path(tempfile.mkdtemp(prefix="soak-"))
        guard.add_directory(private)
        stack.callback(shutil.rmtree, private, ignore_errors=True)
        choice = machine.choose_limit(guard, f"{run.name}-replay")
        stack.callback(choice.mechanism.close)
        clock = machine.new_clock()
        plan = plan_run(profile, run, private, images=images_of(profile)).at(clock.t0_monotonic_s)
        scratch = private / "session"
        scratch.mkdir(parents=True)
        session = Session(scratch, {}, guard, progress, clock, machine, stop_request)
        stack.callback(session.close)
        verdicts = judged(Ended(plan, session, choice.mechanism, private), run)
        arms = _chosen(plan, verdicts, arm)
        if not arms:
            progress.print_line(_why_none(plan, verdicts))
            return None
        _check_unchanged(recorded, plan, arms)
        for one in arms:
            file = f"{profile.directory / profile.name}.toml"
            progress.print_line(f"replay of {one.name}, by {file}: {shlex.join(one.process.argv)}")
        directory = _copy(run)
        manifest = {**recorded.manifest, "run_id": directory.name, "replay_of": replay_of, "replay": {}}
        write_manifest(directory, manifest)  # the analysis of a pass reads it
        record_sums(directory, {})
        plan = plan_run(profile, directory, private, images=images_of(profile)).at(clock.t0_monotonic_s)
        ended = Ended(plan, session, choice.mechanism, private)
        again = [one for one in plan.arms if one.name in {arm.name for arm in arms}]
        found = replay_arms(ended, again, profile.replay.seconds, verdicts)
        amend(directory, {**manifest, "replay": facts(found)})
    return Replayed(directory, found)


def _chosen(plan: RunPlan, verdicts: Mapping[str, Judged], arm: str) -> list[ArmPlan]:
    """Return the arm that is named, or those that leak; raises UsageError for one that cannot be."""
    if not arm:
        leaking = {name for name, found in verdicts.items() if found.verdict == LEAK}
        return [one for one in plan.arms if one.name in leaking and is_eligible(plan, one)]
    named = [one for one in plan.arms if one.name == arm]
    if not named:
        known = ", ".join(one.name for one in plan.arms if one.injected is None)
        raise UsageError(f"--arm {arm}: the run has no such arm; it has {known}.")
    if named[0].injected is not None:
        raise UsageError(f"--arm {arm}: its leak was injected, and where it is allocated is known.")
    return named


def _why_none(plan: RunPlan, verdicts: Mapping[str, Judged]) -> str:
    """Return why no arm is replayed unasked."""
    leaking = [one.name for one in plan.arms if one.name in verdicts and verdicts[one.name].verdict == LEAK]
    if not leaking:
        return "No arm leaks: nothing was replayed."
    named = "; ".join(
        f"--arm {one.name}" for one in plan.arms if one.name in leaking and one.injected is None
    )
    return f"Only the control leaks: nothing was replayed{f' ({named} replays it)' if named else ''}."


def _check_unchanged(recorded: Recorded, plan: RunPlan, arms: list[ArmPlan]) -> None:
    for arm in arms:
        if found := list(differences(recorded, plan, arm.name)):
            raise UsageError(
                f"{recorded.directory}: {arm.name} would not be replayed as it ran: {'; '.join(found)}. "
                "Soak it again instead."
            )


def _copy(run: Path) -> Path:
    """Return a new directory beside the run's, with a copy of its recording in it; none is left where that fails."""
    directory = None
    try:
        directory = first_free(run.parent, f"{run.name}-replay")
        for file in _recorded_files(run):
            to = directory / file.relative_to(run)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to, follow_symlinks=False)
    except OSError as error:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        raise HarnessError(
            f"{run.parent}: the replay cannot be written there ({error.strerror or error}); "
            "make it writable, with room for a copy of the run."
        ) from error
    return directory


def _recorded_files(run: Path) -> Iterator[Path]:
    """Yield what the run recorded: nothing that lies beside it, as keys and signatures, and nothing of a replay."""
    listed = listed_files(run)
    for file in sorted(run.rglob("*")):
        name = file.relative_to(run)
        of_a_replay = file.name in (contract.REPLAY, contract.SITES) or file.name.startswith("replay-")
        recorded = str(name) in listed and name.parts[0] not in MADE_ANEW and not of_a_replay
        if recorded and file.is_file() and not file.is_symlink():
            yield file


def _digest(run: Path) -> str:
    """Return the SHA-256 of the run's hashes; raises UsageError where it has none: those of a copy would be valid."""
    try:
        return hashlib.sha256(read_regular(run / contract.SUMS)).hexdigest()
    except OSError as error:
        raise UsageError(
            f"{run}: {contract.SUMS} cannot be read ({error.strerror}); only what was recorded can be replayed. "
            "Soak it again instead."
        ) from None
