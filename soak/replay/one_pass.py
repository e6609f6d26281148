"""One pass of an arm: a life of it, its points, and the analysis of them while the arm still lives."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soak.contract import (
    FAILED_AT_MOST,
    MIN_POINT_REQUESTS,
    MIN_REPLAY_POINTS,
    MOST_PROCESSES,
    MOST_TRACES,
    REPLAY,
    REPLAY_COLUMNS,
    traces_file,
)
from soak.process.log import last_line
from soak.recording.csv_writer import CsvWriter
from soak.replay.life import DiedError, Life, RefusedError, Sent
from soak.replay.plan import PassPlan, analysis_process
from soak.replay.timing import LEAST_S, WANTED_POINTS, end_s, overtime_s, period_s
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.ending import StopRequestedError

POINT_S: Final = 30.0
"""Longest time for all processes of an arm to write a point, seconds; 3 M traces take 2 to 4 s."""
ANALYSIS_S: Final = 60.0
"""Longest time for the analysis of a pass, seconds."""
FIRST_COST_S: Final = 0.2
"""Time that the first point is taken to cost, seconds."""
FIRST_PERIOD_S: Final = 1.0
"""Longest time until the first point, seconds: how fast the memory of the arm grows is not known before."""
NEAR_TIMES: Final = 2
"""The memory of an arm is taken to grow up to so many times as fast as before."""
PLACED: Final = ("memray", "memray.libs", "rich", "typing_extensions.py")
"""What memray's import needs."""
NOT_PLACED: Final = ("__pycache__", "commands", "templates", "_test*")
"""Parts of those that it does not need."""
TIME_OVER: Final = "its time was over"
"""Why a pass whose time has passed is not begun, or has too few points."""
ROOM_TIMES: Final = 2
"""A point is taken where the disk has room for so many of the size of the last one."""


@dataclass(frozen=True, slots=True)
class PassResult:
    """What became of a pass."""

    points: int = 0
    requests: int = 0
    """Requests that were sent in all of it."""
    reason: str = ""
    """Why it was refused or ended early, a clause; empty for its ordinary end."""
    is_interrupted: bool = False
    is_analysed: bool = False
    """Whether the analysis of its points was made."""
    died: int | None = None
    """Exit code with which the arm died; None where it did not."""


@dataclass(frozen=True, slots=True)
class PassState:
    """A pass at this moment, for its display."""

    points: int
    requests: int
    until_s: float
    """When it has to be over, ``t_s``."""


class PassRun:
    """Carries out a pass; ``go`` once."""

    def __init__(self, plan: PassPlan, life: Life, now_s: Callable[[], float], until_s: float) -> None:
        """It has to be over at ``until_s`` (``t_s``), the end of all processes included.

        A point or an analysis that takes longer than foreseen is given up when its ``overtime_s`` is over, too.
        """
        self._plan = plan
        self._life = life
        self._now_s = now_s
        self._until_s = until_s
        self._began_s = now_s()
        self._given_up_s = until_s + overtime_s(until_s - self._began_s)
        self._points = 0
        self._sent = Sent()
        self._traces = 0
        self._cost_s = FIRST_COST_S
        self._charged: int | None = None
        self._most_s = FIRST_PERIOD_S
        """Longest time until the next point, seconds."""
        self._capture_bytes = 0
        self._pids: list[int] = []
        self._left_out = ""
        """Which of the arm's processes could not be instrumented, a clause; empty: all could."""
        self._died: int | None = None

    @property
    def state(self) -> PassState:
        """The pass at this moment."""
        return PassState(self._points, self._sent.total, self._until_s)

    def go(self) -> PassResult:
        """Carry it out; all its processes have ended when this returns, and its raw directory is gone."""
        plan, reason = self._plan, ""
        try:
            _make_raw(plan.raw, plan.placed)
            with CsvWriter(plan.directory / REPLAY, REPLAY_COLUMNS) as rows:
                self._life.start(self._until_s)
                try:
                    reason = self._take_points(rows)
                except (RefusedError, ProbeError) as error:
                    reason = str(error)
                    self._died = error.code if isinstance(error, DiedError) else None
            if self._points < MIN_REPLAY_POINTS:
                return self._result(f"{reason or TIME_OVER}, after {_points(self._points)}")
            failed = self._analyse()
            reason = "; ".join(filter(None, (failed or reason, self._left_out)))
            return self._result(reason, analysed=not failed)
        except StopRequestedError as stopped:
            return self._result(str(stopped), interrupted=True)
        except RefusedError as refused:
            self._died = refused.code if isinstance(refused, DiedError) else None
            return self._result(str(refused))
        finally:
            self._life.stop()
            shutil.rmtree(plan.raw, ignore_errors=True)

    def _take_points(self, rows: CsvWriter) -> str:
        """Take points until the time is over; return why they end before, "" for no reason."""
        now_s = self._now_s
        self._begin()
        while True:
            # where too few points are there the analysis may take what time it needs
            after_s = end_s(self._traces, self._capture_bytes) if self._points >= MIN_REPLAY_POINTS else 0.0
            last_s = self._until_s - after_s
            seconds = period_s(last_s - now_s(), self._points, self._cost_s)
            if seconds is None:
                return ""
            before, sent_from_s = self._sent.total, now_s()
            seconds = min(seconds, max(LEAST_S, self._most_s))
            self._sent = self._life.send(
                MIN_POINT_REQUESTS, seconds, last_s - self._cost_s, self._point_until_s()
            )
            if (sent := self._sent.total - before) < MIN_POINT_REQUESTS:
                if self._points >= MIN_REPLAY_POINTS:
                    return ""  # the time is over before another point
                more = "; raise replay.seconds" if sent else ""
                return f"{sent} requests before a point, at least {MIN_POINT_REQUESTS} are needed{more}"
            self._refuse_failures()
            if not self._points:
                self._begin()  # in workers that were not there before
            point_s = now_s()
            found = self._take_point()
            rows.write({
                "pass": self._plan.one.name, "point": self._points, "t_s": point_s - self._began_s,
                "requests": self._sent.total, "answered_by_name": self._sent.by_name, **found,
            })  # fmt: skip
            self._points += 1
            self._cost_s = now_s() - point_s
            self._traces += (traces := found.get("traces", 0))
            if traces >= MOST_TRACES:
                return f"{traces:,} allocations live, at most {MOST_TRACES:,} are traced"
            if self._is_near_limit(point_s - sent_from_s):
                return "its memory limit is near"
            if not self._has_room():
                return f"the disk of {self._plan.raw.parent} has no room for more points"

    def _refuse_failures(self) -> None:
        """Raise RefusedError where more requests failed than may in a run: what they retain is not what leaked.

        Those that timed out have reached the arm, which is slower while it is traced.
        """
        sent = self._sent.total
        failed = {kind: number for kind, number in self._sent.failed.items() if kind != "timeout"}
        if (number := sum(failed.values())) > FAILED_AT_MOST * sent:
            raise RefusedError(
                f"{number:,} of {sent:,} requests failed, most of them by {max(failed, key=failed.__getitem__)} (at "
                f"most {FAILED_AT_MOST:.0%} may): they are not those of the run"
            )

    def _begin(self) -> None:
        """Begin the instrumentation in each process of the arm."""
        probes = dict(self._life.processes())
        if not probes:
            raise RefusedError(f"no probe: {self._life.why_no_probe()}")
        if len(probes) > MOST_PROCESSES:
            raise RefusedError(f"it has {len(probes)} processes, at most {MOST_PROCESSES} are traced")
        until_s, failed = self._point_until_s(POINT_S), dict[int, ProbeError]()
        for pid, probe in probes.items():
            try:
                self._ask(probe, "trace_begin", until_s)
            except ProbeError as error:
                failed[pid] = error
                if self._plan.one.needs_all or len(failed) == len(probes) or pid in self._pids:
                    raise
        if failed:
            why = next(iter(failed.values()))
            self._left_out = f"{len(failed)} of its {len(probes)} processes left out: {why}"
        self._charged = self._charged or self._life.charged_bytes
        self._pids = [pid for pid in probes if pid not in failed]

    def _take_point(self) -> dict[str, int]:
        """Have each process of the arm write a point; return the sums of what they have."""
        probes = dict(self._life.processes())
        found: Counter[str] = Counter()
        until_s = self._point_until_s(POINT_S)
        for number, pid in enumerate(self._pids):
            if pid not in probes:
                raise RefusedError("one of its processes ended")
            found.update(self._ask_point(probes[pid], number, until_s))
        self._capture_bytes = found.pop("capture_bytes", 0)
        return found

    def _point_until_s(self, most_s: float = math.inf) -> float:
        """Return until when (``t_s``) a point may last, so many seconds at most: its analysis still has to be made."""
        over_s = self._given_up_s - end_s(self._traces, self._capture_bytes)
        return min(self._now_s() + most_s, max(self._until_s, over_s))

    def _ask(self, probe: ProbeClient, op: str, until_s: float, **arguments: object) -> dict[str, Any]:
        """Return a process's answer, which is waited for until ``until_s`` (``t_s``); raises ProbeError as ``Life``.

        All processes that are asked together have the same ``until_s``.
        """
        if (left_s := until_s - self._now_s()) <= 0:
            raise ProbeError(f"probe: {op}: the processes did not answer in time")
        return self._life.ask(probe, op, left_s, **arguments)

    def _ask_point(self, probe: ProbeClient, number: int, until_s: float) -> dict[str, int]:
        """Return the amounts of a process's answer; a capture has no traces."""
        file = traces_file(self._plan.raw_inside, self._points, number)
        answer = self._ask(probe, "trace_point", until_s, file=str(file), most=MOST_TRACES)
        amounts = ("traces", "traced_bytes", "capture_bytes")
        return {name: answer[name] for name in amounts if answer.get(name) is not None}

    def _is_near_limit(self, sent_s: float) -> bool:
        """Whether the arm may meet its limit before the next point, after so many seconds of requests.

        The next periods are made so short that it does not before there are enough points.
        """
        limit, before, now = self._plan.limit_bytes, self._charged, self._life.charged_bytes
        self._charged, self._most_s = now, math.inf
        if limit is None or before is None or now is None or now <= before:
            return False
        per_s = (now - before) / max(sent_s, LEAST_S)
        more = max(1, WANTED_POINTS - self._points)
        self._most_s = max(0.0, limit - now) / (NEAR_TIMES * per_s * more)
        return self._most_s < LEAST_S and self._points >= MIN_REPLAY_POINTS

    def _has_room(self) -> bool:
        newest = sum(file.stat().st_size for file in self._plan.raw.glob(f"point-{self._points - 1}.*"))
        return shutil.disk_usage(self._plan.raw).free > ROOM_TIMES * newest

    def _analyse(self) -> str:
        """Have the points analysed while the arm's files can be read; return why that failed, "" where it was done."""
        root: Path | None = None
        if not self._life.has_died:
            half_s = (self._given_up_s - self._now_s()) / 2  # the rest is for the analysis
            until_s = self._now_s() + min(POINT_S, half_s)
            for pid, probe in list(self._life.processes()):
                if pid in self._pids:
                    with suppress(ProbeError, RefusedError):  # it ends with its process
                        self._ask(probe, "trace_end", until_s)
            root = Path(f"/proc/{self._life.pid}/root")
        log = self._plan.log_of("sites")
        most_s = min(ANALYSIS_S, self._given_up_s - self._now_s())
        code = self._life.run(analysis_process(self._plan, root), log, most_s)
        if code == 0:
            return ""
        why = (
            f"it took more than {most_s:.0f} s" if code is None else last_line(log) or f"see logs/{log.name}"
        )
        return f"the analysis of its points failed: {why}"

    def _result(self, reason: str = "", *, interrupted: bool = False, analysed: bool = False) -> PassResult:
        return PassResult(self._points, self._sent.total, reason, interrupted, analysed, self._died)


def _make_raw(raw: Path, placed: Iterable[tuple[Path, str]]) -> None:
    """Make the raw directory, with copies of what a container may import."""
    raw.mkdir()
    for package, name in placed:
        (raw / name).mkdir()
        for one in PLACED:
            if (package / one).is_dir():
                shutil.copytree(package / one, raw / name / one, ignore=shutil.ignore_patterns(*NOT_PLACED))
            elif (package / one).is_file():
                shutil.copy(package / one, raw / name / one)
    os.chmod(raw, 0o1777)  # noqa: PTH101, S103 - a user of a container may be any; its parent is ours alone


def _points(number: int) -> str:
    return f"{number} point{'' if number == 1 else 's'}, at least {MIN_REPLAY_POINTS} are needed"
