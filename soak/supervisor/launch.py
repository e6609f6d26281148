"""From a profile to a run that has ended: the machine is checked, borrowed, and given back."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from soak import contract
from soak.config.profile import Profile
from soak.containers.images import images_of
from soak.contract.units import mebibytes
from soak.errors import HarnessError, SoakError, UsageError
from soak.limit.around import LimitAround
from soak.limit.base import LimitMechanism
from soak.limit.cgroup import whole_pages
from soak.plan.disk import check_disk
from soak.plan.load_plan import WebAccess
from soak.plan.run_plan import RunPlan, plan_run
from soak.recording.files import check_encodable, new_run_directory, record_sums
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.manifest import run_manifest
from soak.supervisor.run import Run
from soak.supervisor.session import THIS_MACHINE, Machine, Session

_GIB = 1 << 30
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that has ended: its directory, and the error that ended it early, if one did."""

    directory: Path
    error: Exception | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is complete: its processes have ended, and its hashes are not written yet."""

    plan: RunPlan
    session: Session
    mechanism: LimitMechanism
    private: Path
    """A directory that nobody else may read, until the run is left."""


def run_profile(
    profile: Profile,
    runs: Path,
    progress: Progress,
    script: Callable[[Run], None],
    stop_request: StopRequest,
    *,
    web: WebAccess | None = None,
    then: Callable[[Ended], None] = lambda _ended: None,
    machine: Machine = THIS_MACHINE,
) -> Outcome:
    """Make one run; everything is stopped when this returns, and the recording is kept however it ended.

    ``then`` is called with a run that is complete, before its hashes are written.

    Raises UsageError when the profile cannot run on this machine. A run that Ctrl-C, SIGTERM or a dead load generator
    cut short is no error: its manifest and its report state it.
    """
    if sys.platform != "linux":
        raise UsageError(
            f"soak runs on Linux only (this is {sys.platform}): it reads /proc and limits by cgroups."
        )
    _check_memory(profile)
    images = images_of(profile)
    check_encodable(profile.directory)
    session: Session | None = None
    with ExitStack() as stack:
        guard = machine.new_guard()
        stack.callback(guard.close)
        probe_directory = Path(tempfile.mkdtemp(prefix="soak-"))
        guard.add_directory(probe_directory)
        # somebody may have killed the guard
        stack.callback(shutil.rmtree, probe_directory, ignore_errors=True)
        # checked before a directory is made for it
        checked = plan_run(profile, Path("runs"), probe_directory, images=images, web=web)
        checked.check_commands()
        if warning := check_around(checked, machine.limit_around()):
            progress.print_line(warning)
        if web is None:  # else nobody knows how long the load will be
            check_disk(checked.recording_bytes, runs)
            progress.print_line(checked.disk)
        directory = new_run_directory(runs, profile.name, datetime.now(UTC))
        stack.callback(lambda: write_hashes(directory, session.written() if session else {}))
        choice = machine.choose_limit(guard, directory.name)
        stack.callback(choice.mechanism.close)
        clock = machine.new_clock()
        plan = plan_run(profile, directory, probe_directory, images=images, web=web).at(clock.t0_monotonic_s)
        try:
            manifest = run_manifest(plan, choice)
            session = Session(directory, manifest, guard, progress, clock, machine, stop_request)
            stack.callback(session.close)
            run = Run(plan, choice.mechanism, session, probe_directory)
            stack.callback(run.stop)
            run.go(script)
            session.close_files()
            if run.status == "complete":
                then(Ended(plan, session, choice.mechanism, probe_directory))
        except UsageError:
            raise
        except SoakError as error:
            return Outcome(directory, error)
        except OSError as error:
            return Outcome(
                directory, HarnessError(f"{error.filename or directory}: {error.strerror or error}.")
            )
        except Exception as error:  # noqa: BLE001 - a defect of ours; what was recorded is worth its report first
            return Outcome(directory, error)
    return Outcome(directory, None)


def write_hashes(directory: Path, written: Mapping[str, str]) -> None:
    """Write the hashes of a recording that has ended, unless they were written before its replay.

    ``written`` are those of what this process wrote, by file.
    """
    with contextlib.suppress(HarnessError):  # the report comes first, and states that they are missing
        if not (directory / contract.SUMS).exists():
            record_sums(directory, written)


def _check_memory(profile: Profile) -> None:
    available = psutil.virtual_memory().available
    if (needed := profile.limit.needs_free) is not None and available < needed:
        raise UsageError(
            f"Profile {profile.name} needs {needed / _GIB:.1f} GiB of free memory, and {available / _GIB:.1f} GiB are "
            "free. Free some, or run the same at a smaller scale: soak run demo."
        )


def check_around(plan: RunPlan, around: LimitAround | None) -> str:
    """Return a line of warning where the arms together can meet the limit around the run before their own, else "".

    Raises UsageError where one arm alone would. A container has its place elsewhere.
    """
    memory = plan.profile.limit.memory
    arms = [one for one in plan.arms if not one.metrics and one.container is None]
    if around is None or memory is None or not arms:
        return ""
    own, most = whole_pages(memory), whole_pages(around.limit_bytes)
    if len(arms) * own < most:
        return ""
    own_text, most_text = _texts_apart(own, most)
    allowed = f"{most_text} that {around.file} allows this run"
    fix = "lower limit.memory, or give the pod, container or scope more memory"
    if own > most:
        raise UsageError(
            f"limit.memory: {own_text} for an arm are more than the {allowed}, for which the kernel would kill first; "
            f"{fix}."
        )
    return (
        f"limit.memory: {len(arms)} x {own_text} and the run's own processes can exceed the {allowed}; a kill for that "
        f"leaves an arm INCONCLUSIVE: {fix}"
    )


def _texts_apart(first_bytes: int, second_bytes: int) -> tuple[str, str]:
    """Return two sizes of whole pages in MiB, with as many decimals as show that they differ."""
    decimals = 0
    while True:
        first, second = (f"{mebibytes(size, decimals)} MiB" for size in (first_bytes, second_bytes))
        if first != second or first_bytes == second_bytes:
            return first, second
        decimals += 1


@contextmanager
def noted_signals() -> Iterator[StopRequest]:
    """Turn Ctrl-C, SIGTERM and a lost terminal into a note that the run reads when it is safe to stop."""
    noted = StopRequest()
    previous = {
        number: signal.signal(number, lambda number, _: noted.note(signal.Signals(number).name))
        for number in STOP_SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup wants it
    }
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
