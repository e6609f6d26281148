"""The loads of a run, one after the other: begun, recorded to the last second, stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import gevent
from gevent.event import Event
from locust.rpc import Message

from locustfiles.locust_process import LocustProcess
from locustfiles.master.ledger import Ledger
from locustfiles.master.membership import SILENT_S, Membership
from locustfiles.master.recorder import ArmRecorder, CannotRecordError
from locustfiles.messages import BEGIN, SECOND_REPORT, STOP, Begin, SecondReport
from locustfiles.schedule.phases import Timetable, longest_drain_s
from soak.contract import LOAD_BEGAN, LOAD_ENDED, Traffic
from soak.contract.clock import RunClock
from soak.errors import HarnessError

RECORD_EVERY_S: Final = 0.1
STOP_LEAD_S: Final = 0.2
"""From a stop to the end of the load, seconds: so all workers end it at the same instant."""
STOP_MARGIN_S: Final = SILENT_S + 5.0
"""Beyond the longest drain, what Locust may take to notice that a worker is gone, seconds."""

PlannedStarts = Callable[[Traffic, float], Iterable[float]]
"""From the plan and the start of the warm-up (``t_s``), the planned start (``t_s``) of each request, in order."""


class Loads:
    """Begins each load with all workers that are there, and writes its rows as the workers' reports complete them.

    Each load has a seed of its own. Without ``planned_starts`` nothing is planned: as many requests as are sent count
    as planned.
    """

    def __init__(
        self,
        traffic: Traffic,
        process: LocustProcess,
        members: Membership,
        clock: RunClock,
        planned_starts: PlannedStarts | None,
        sleep: Callable[[float], object] = gevent.sleep,
    ) -> None:
        """Open the recordings; raises CannotRecordError."""
        self._traffic = traffic
        self._process = process
        self._members = members
        self._clock = clock
        self._planned_starts = planned_starts
        self._sleep = sleep
        self._recorders = {arm: ArmRecorder(arm, Path(traffic.out_dir, arm), clock) for arm in traffic.arms}
        self._ledger = Ledger((), 0, (), ())
        self._begun = 0
        """Number of loads begun."""
        self.start_s = 0.0
        """Start of the warm-up of the newest load, ``t_s``."""
        self.under_way = Event()
        """Set from the beginning of a load to its last row."""
        self._stopping = False
        self._recording: gevent.Greenlet | None = None
        process.runner.register_message(SECOND_REPORT, self._on_report)
        process.environment.events.test_stopping.add_listener(self.stop)

    def begin(self, start_s: float) -> None:
        """Begin a load whose warm-up starts at ``start_s`` (``t_s``)."""
        workers = self._members.begin_load()
        traffic = replace(self._traffic, seed=self._traffic.seed + self._begun)
        timetable = Timetable.of(traffic, start_s)
        starts_s = None if self._planned_starts is None else self._planned_starts(traffic, start_s)
        self._ledger = Ledger(starts_s, timetable.warmup_s, tuple(traffic.arms), workers)
        for recorder in self._recorders.values():
            recorder.begin(timetable)
        self._begun += 1
        self.start_s = start_s
        self._stopping = False
        # before the first switch: a stop may come at once
        self._recording = self._process.spawn(self._record)
        self.under_way.set()
        print(f"{LOAD_BEGAN} {start_s:.3f} {start_s + traffic.warmup_s:.3f}", flush=True)
        for share, worker in enumerate(workers):
            begin = Begin(traffic.seed, start_s, start_s - self._clock.now_s(), share, len(workers))
            self._process.runner.send_message(BEGIN, asdict(begin), client_id=worker)

    def stop(self, **_: object) -> None:
        """End the load that is under way, drain included, and wait for its last row."""
        if not self.under_way.is_set() or self._recording is None:
            return
        if not self._stopping:
            self._stopping = True
            end_s = self._clock.now_s() + STOP_LEAD_S
            self._ledger.stop(end_s)
            self._process.runner.send_message(STOP, {"end_s": end_s})
        self._recording.join(longest_drain_s(self._traffic) + STOP_MARGIN_S)

    def close(self) -> None:
        """Close the recordings; idempotent."""
        for recorder in self._recorders.values():
            try:
                recorder.close()
            except CannotRecordError as error:
                self._process.fail(error)

    def _on_report(self, msg: Message, **_: object) -> None:
        self._members.stop_if_lost(msg.node_id)
        self._ledger.report(msg.node_id, SecondReport.unpack(msg.data))

    def _record(self) -> None:
        try:
            while self._ledger.sending:
                self._sleep(RECORD_EVERY_S)
                for worker in self._members.newly_lost(self._ledger.sending):
                    self._ledger.gone(worker)
                self._write_rows()
            self._write_rows()
            for recorder in self._recorders.values():
                recorder.end()
            if self._members.all_lost:
                self._process.fail(HarnessError("no worker is left to send the load"))
        except CannotRecordError as error:
            self._process.fail(error)
        print(f"{LOAD_ENDED} {self._clock.now_s():.3f}", flush=True)
        self._members.end_load()
        self.under_way.clear()
        if self._process.failed:
            self._process.quit()
        # When it is stopped, Locust is stopping already, and waits for this.
        elif not self._stopping:
            runner = self._process.runner
            (runner.stop if self._process.environment.web_ui else runner.quit)()

    def _write_rows(self) -> None:
        for row in self._ledger.complete():
            for arm, recorder in self._recorders.items():
                recorder.write(row.second, row.planned[arm], row.arms[arm])
