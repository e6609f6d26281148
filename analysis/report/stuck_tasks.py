"""What was proved of pending tasks, for the first lines of a report: of arms whose tasks are what leaks."""

from __future__ import annotations

from analysis.growth.classify import PENDING_TASKS
from analysis.report.contents import ReportContents
from analysis.report.own_word import MARK


def stuck_lines(contents: ReportContents) -> dict[str, str]:
    """Return a clause by the name of each arm whose tasks lead its leak, and of which something was proved."""
    leading = {one.arm: one.leading.judgement.signal for one in contents.judged.verdicts if one.leading}
    found = {}
    for arm in contents.growth:
        leads = leading.get(arm.arm) == "tasks_alive" or (
            arm.suspects and arm.suspects[0].kind == PENDING_TASKS
        )
        if arm.stuck is not None and leads and any(one.kind == PENDING_TASKS for one in arm.suspects):
            places = "; ".join(place.text for place in arm.stuck.places[:1])
            found[arm.arm] = f"{arm.arm}{MARK}: {arm.stuck.text}" + (f": {places}" if places else "")
    return found
