"""One case, soaked: its environments, its profile, a run of ``soak``, and what that found."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.errors import HarnessError
from tests.leaks.case import Case
from tests.leaks.environments import environment, memray, preloads
from tests.leaks.outcome import Outcome, read_outcome
from tests.leaks.profile import ARMS, effort, profile_text

ROOT: Final = Path(__file__).parents[2]
SPARE_S: Final = 120.0
STOP_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A case that can be soaked."""

    case: Case
    interpreters: tuple[Path, ...]
    memray: Path | None = None
    """Directory with memray for them; None where no native code leaks."""


def make_ready(case: Case, place: Path) -> Ready:
    """Install what the case needs; raises HarnessError where that is not possible."""
    interpreters = tuple(
        environment(case.python, release.requirements, place / "environments") for release in case.releases
    )
    if case.preload and not preloads(interpreters[0], case.preload):
        raise HarnessError(f"{case.preload} is not on this machine: apt-get install {case.package}")
    return Ready(
        case, interpreters, memray(case.python, place / "environments") if case.native_lines else None
    )


def soak_case(ready: Ready, load_s: int, place: Path, *, replay_all: bool = False) -> Outcome:
    """Run one case and return what was found; its profile, output and recording stay in ``place``.

    ``replay_all``: arms that do not leak are replayed as well, after the run.
    """
    directory = place / "runs" / ready.case.name
    directory.mkdir(parents=True, exist_ok=True)
    plan = effort(ready.case, load_s)
    profile, log = directory / "soak.toml", directory / "soak.log"
    profile.write_text(profile_text(ready.case, ready.interpreters, plan, ready.memray), encoding="utf-8")
    summary = directory / "latest" / "report" / "summary.json"
    (directory / "latest").unlink(missing_ok=True)
    command = [sys.executable, "-m", "soak", "run", str(profile), "--runs", str(directory)]
    try:
        _run(command, log, plan.takes_s + SPARE_S)
    except HarnessError as error:
        return Outcome(ready.case, failed=str(error))
    if replay_all and summary.exists():
        others = [arm for arm, one in zip(ARMS, ready.case.releases, strict=False) if one.kind != "leaky"]
        for arm in others:
            command = [
                sys.executable,
                "-m",
                "soak",
                "replay",
                str((directory / "latest").resolve()),
                "--arm",
                arm,
            ]
            with suppress(HarnessError):
                _run(command, directory / f"replay-{arm}.log", SPARE_S)
    if not summary.exists():
        said = log.read_text(errors="replace").strip().splitlines()
        return Outcome(ready.case, failed=f"no report; {log} ends with: {said[-1] if said else 'nothing'}")
    return read_outcome(ready.case, summary)


def _run(command: list[str], log: Path, timeout_s: float) -> None:
    """Run to the end, whatever the exit code: that is about sign-offs."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"not done after {timeout_s:.0f} s; see {log}") from None
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(STOP_TIMEOUT_S)
