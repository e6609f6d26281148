"""Kills by the kernel that the memory limit of an arm does not explain, or no growth of its memory."""

from __future__ import annotations

from analysis.recording.model import Arm, Phase


def kill_doubts(arm: Arm) -> list[str]:
    """Return a clause for each kind of such kills: what is left of the arm was not measured under its limit alone."""
    found = []
    if kills := arm.unclaimed_kills.not_by_limit:
        found.append(
            f"the kernel killed {_processes(kills)} of it, and its own memory limit had not been met: the machine, or "
            "a cgroup above it (pod, container, scope), had run out of memory; give that more, or lower the limits of "
            "the arms"
        )
    if kills := arm.unclaimed_kills.of_no_life:
        found.append(
            f"its memory limit killed {_processes(kills)} that {'was' if kills == 1 else 'were'} no life of it "
            "(younger than 2 s, beyond the first 64, or ended with the run): what they held is in no reading, and "
            "their end may hide growth; raise limit.memory (of a container, its limit)"
        )
    if kills := arm.unclaimed_kills.for_unknown:
        found.append(
            f"the kernel killed {_processes(kills)} of it, and whether for its own memory limit or for memory that it "
            "shares with others (the machine, a pod) could not be read; the kernel's log (dmesg) states which"
        )
    return found


def unexplained_kills(arm: Arm, load: Phase) -> str:
    """Return a clause where processes of an arm whose memory does not grow met its limit; empty where none did."""
    lives = arm.processes or arm.lives
    kills = sum(one.oom_killed and load.start_s <= one.end_s <= load.end_s for one in lives)
    if not kills:
        return ""
    return (
        f"its memory limit killed {_processes(kills)} of it under load, and no growth was seen that explains it: "
        "memory may have risen between two readings, or in those lives alone; raise limit.memory (of a container, its "
        "limit), or take readings more often (sampling.every_s)"
    )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count:,} processes"
