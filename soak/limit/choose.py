"""Which limit mechanism this machine has: the first that works, and why the others do not."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass

from soak.limit.base import LimitMechanism
from soak.limit.cgroup import V2
from soak.limit.cgroup_mechanism import find_v1, find_v2, v2_obstacle
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup, read_paths
from soak.limit.watchdog import WatchdogMechanism
from soak.process.guard import Guard

SCOPE_MARK = "SOAKPROOF_IN_SCOPE"
_SCOPE_COMMAND = ("systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes", "--")
_SCOPE_TRY_S = 10.0
RUN_ID_AT_MOST = 100
"""Characters of the run's id in the names of its cgroups, which may have 255 with the rest."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The mechanism, and a clause for each better one that could not be used."""

    mechanism: LimitMechanism
    refused: tuple[str, ...]


def enter_scope() -> None:
    """Where cgroup v2 has memory but its subtree is not ours, start this command again in a systemd scope that is.

    Does not return when it succeeds; tried once.
    """
    if SCOPE_MARK in os.environ or shutil.which(_SCOPE_COMMAND[0]) is None:
        return
    try:
        if v2_obstacle(own_cgroup(read_paths(PROC_CGROUP), read_paths(PROC_MOUNTINFO), V2.version)) is None:
            return
        subprocess.run([*_SCOPE_COMMAND, "true"], check=True, capture_output=True, timeout=_SCOPE_TRY_S)
    except (NotUsableError, OSError, subprocess.SubprocessError):
        return  # no user manager, or no cgroup v2 at all: the next mechanism is tried
    os.environ[SCOPE_MARK] = "1"
    os.execvp(_SCOPE_COMMAND[0], [*_SCOPE_COMMAND, sys.executable, "-P", "-m", "soak", *sys.argv[1:]])  # noqa: S606


def choose(guard: Guard, run_id: str) -> Choice:
    """Return the first mechanism that works: cgroup v2, cgroup v1, watchdog.

    The names of its cgroups begin with ``run_id`` and are of this choice alone: another run may have the same id.
    """
    prefix = f"soakproof-{run_id[:RUN_ID_AT_MOST]}-{os.getpid()}-{secrets.token_hex(4)}"
    refused = []
    try:
        return Choice(find_v2(guard, prefix, in_scope=SCOPE_MARK in os.environ), ())
    except (NotUsableError, OSError) as error:
        refused.append(f"cgroup v2: {error}")
    try:
        return Choice(find_v1(guard, prefix), tuple(refused))
    except (NotUsableError, OSError) as error:
        refused.append(f"cgroup v1: {error}")
    return Choice(WatchdogMechanism(), tuple(refused))
