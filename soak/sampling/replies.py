"""What the probes of an arm reply for one row: the columns of the probe, by an explicit list, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from soak.contract import PROBE_COLUMNS, names
from soak.contract.clock import RunClock
from soak.recording.csv_writer import Row
from soak.sampling.probe_answers import ProbeError
from soak.sampling.target import Target

OF_PROBE = names(PROBE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the probe of one process answered."""

    target: Target
    cells: Row
    """Its columns and the time it took; empty without an answer."""
    problems: Mapping[str, str | None]
    """What is wrong with each reading; None for nothing."""
    heap_s: float | None = 0.0
    """Processor time that it took for the figures of the allocators, seconds; None where it was not asked for them."""


def ask_all(
    targets: Sequence[Target],
    clock: RunClock,
    timeout_s: Callable[[], float],
    *,
    exact: bool = False,
    heap: bool = True,
) -> list[Reply]:
    """Ask the probes for samples, all at once, so that none waits for another; ``timeout_s`` is read for each.

    Without ``heap`` there are no figures of the allocators, whose cost grows with the heap; ``exact`` walks it.
    """

    def ask(target: Target) -> Reply:
        return _ask(target, clock, timeout_s, exact=exact, heap=heap)

    if len(targets) < 2:
        return [ask(target) for target in targets]
    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(ask, targets))


def unasked(targets: Sequence[Target]) -> list[Reply]:
    """Return the replies of probes that were not asked, as others ask them: a gap each."""
    why = {"probe": "busy with a reading at a quiesce point or rung"}
    return [Reply(target, {}, why if target.probed else {}) for target in targets]


def _ask(
    target: Target, clock: RunClock, timeout_s: Callable[[], float], *, exact: bool, heap: bool
) -> Reply:
    if target.outside_only:
        return Reply(target, {}, {})
    if not target.has_probe:
        return Reply(target, {}, {"probe": "none in this process; it is sampled from outside only"})
    began_s = clock.now_s()
    try:
        answer = target.ask("sample", timeout_s(), exact=exact, heap=heap)
    except ProbeError as error:
        return Reply(target, {}, {"probe": str(error).removeprefix("probe: ")})
    cells: Row = {name: answer.get(name) for name in OF_PROBE}
    cells["gauges"] = {name: _whole(value) for name, value in (answer.get("gauges") or {}).items()}
    cells["probe_ms"] = (clock.now_s() - began_s) * 1000
    failed = ", ".join(answer.get("gauge_errors") or ())
    problems = {
        "probe": None,
        "gauges": f"{failed}: raised an error, or gave no finite number" if failed else None,
    }
    if heap:
        problems["malloc"] = (answer.get("problems") or {}).get("malloc")
    return Reply(target, cells, problems, (answer.get("heap_s") or 0.0) if heap else None)


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
