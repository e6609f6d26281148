"""The verdict before a replay: the analysis judges the recording in a process of its own, and prints it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from soak.errors import HarnessError
from soak.process.child import describe_exit
from soak.process.log import last_line
from soak.process.spec import ProcessSpec, module_argv
from soak.recording.files import record_sums
from soak.regular_files import read_json
from soak.supervisor.launch import Ended
from soak.supervisor.session import POLL_EVERY_S

JUDGE_S: Final = 120.0
"""Time for the analysis to judge a recording, seconds; an hour of load takes 2 to 4 s."""


class Judged(BaseModel):
    """What the analysis found of an arm."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    verdict: str
    native: bool
    """Whether what leaks is of native code, by one of its suspects."""


def judged_arms(ended: Ended) -> Mapping[str, Judged]:
    """Return what was found of each arm, and print the verdict; none where somebody asks for the end.

    The hashes are written before: they show the recording as it is judged, also where the replay is killed. Raises
    SoakError where they cannot be, and as ``judged``.
    """
    record_sums(ended.plan.run_directory, ended.session.written())
    return judged(ended, ended.plan.run_directory)


def judged(ended: Ended, directory: Path) -> Mapping[str, Judged]:
    """Return the verdict on each arm of a recording, and print it; none where somebody asks for the end.

    Raises HarnessError where it was not judged.
    """
    session = ended.session
    file, log = ended.private / "verdicts.json", ended.private / "judge.log"
    argv = module_argv("analysis", "judge", str(directory), "--verdicts", str(file))
    child = session.machine.spawn(ProcessSpec("judge", argv, directory), log, session.guard)
    until_s = session.clock.now_s() + JUDGE_S
    try:
        while child.poll() is None and session.clock.now_s() < until_s and not session.stop_request.is_noted:
            session.machine.sleep(POLL_EVERY_S)
        code = child.poll()
    finally:
        session.ending.stop([child], 0.0)
        child.leave()
    if session.stop_request.is_noted:
        return {}
    if code is None:
        raise HarnessError(f"the recording was not judged within {JUDGE_S:g} s.")
    try:
        verdicts = TypeAdapter(dict[str, Judged]).validate_python(read_json(file))
    except (OSError, ValueError):
        why = last_line(log) or describe_exit(code)
        raise HarnessError(f"the recording could not be judged: {why}") from None
    session.progress.print_line(log.read_text(errors="replace").rstrip())
    return verdicts
