"""Which phases follow each other, by a scripted run in which time passes only when it is waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from soak.config.profile import PhaseSettings
from soak.contract import LOAD_BEGAN, LOAD_ENDED
from soak.supervisor.ending import StopRequestedError
from soak.supervisor.phases import led_by_ui, timed
from soak.supervisor.run import Run


@dataclass
class Clock:
    now: float = 3.2

    def now_s(self) -> float:
        return self.now


@dataclass
class Profile:
    phases: PhaseSettings = field(
        default_factory=lambda: PhaseSettings(idle_s=5, warmup_s=10, load_s=60, drain_s=4, quiesce_s=2)
    )


@dataclass
class ScriptedRun:
    """Does what Run does, on paper; Locust says its lines at given times, and somebody may ask for the end."""

    says: list[tuple[float, str]] = field(default_factory=list)
    stop_at_s: float = float("inf")
    clock: Clock = field(default_factory=Clock)
    profile: Profile = field(default_factory=Profile)
    done: list[tuple[float, str]] = field(default_factory=list)
    web_url: str = "http://127.0.0.1:8089"
    stop_in_report: bool = False
    fails_at_s: float = float("inf")

    def _did(self, what: str) -> None:
        self.done.append((round(self.clock.now, 1), what))

    def begin(self, phase: str) -> None:
        self._did(phase)

    def begin_sampling(self) -> None:
        self._did("sampling")

    def order_census(self) -> None:
        self._did("census")

    def quiesce(self) -> None:
        self._did("quiesce")

    def make_report(self) -> None:
        self._did("report")
        if self.stop_in_report:
            raise StopRequestedError("SIGINT")

    def print_line(self, text: str) -> None:
        assert self.web_url in text

    def send_to_locust(self, line: str) -> None:
        self._did(f"tell {line}")

    def take_points(self, start_s: float) -> None:
        self._did(f"points from {start_s:g}")

    def wait_for_load(self, until_s: float) -> str | None:
        self.wait_until(min(until_s, self.fails_at_s))
        return "it leaks" if self.clock.now < until_s else None

    def stop_load(self, reason: str) -> None:
        self._did(f"stop: {reason}")

    def expect(self, load_ends_s: float, ends_s: float) -> None:
        self._did(f"load until {load_ends_s:g}, all until {ends_s:g}")

    def wait(self, seconds: float) -> None:
        self.wait_until(self.clock.now + seconds)

    def wait_until(self, until_s: float) -> None:
        if until_s >= self.stop_at_s:
            raise StopRequestedError("SIGINT")
        self.clock.now = max(self.clock.now, until_s)

    def next_locust_line(self, beginning: str) -> str | None:
        for said in self.says:
            if said[0] <= self.clock.now and said[1].startswith(beginning):
                self.says.remove(said)
                return said[1].removeprefix(beginning).strip()
        return None


def test_a_timed_run_goes_through_all_phases_on_whole_seconds() -> None:
    """The load starts on the next whole second after the idle phase, and the census is taken before it."""
    run = ScriptedRun()
    timed(cast(Run, run))
    assert run.done == [
        (3.2, "load until 79, all until 85"),
        (3.2, "tell start 9"),
        (3.2, "sampling"),
        (3.2, "idle"),
        (8.0, "census"),
        (9, "points from 9"),
        (9, "warm-up"),
        (19.0, "load"),
        (79.0, "drain"),
        (83.0, "quiesce"),
    ]
    assert run.clock.now == 85.0


def test_a_load_that_is_certain_to_fail_ends_early_and_is_drained_and_quiesced() -> None:
    """The rest of the load is not run; drain and quiesce keep their lengths."""
    run = ScriptedRun(fails_at_s=40.0)
    timed(cast(Run, run))
    assert run.done[-4:] == [
        (40.0, "stop: it leaks"),
        (40.0, "load until 40, all until 46"),
        (40.0, "drain"),
        (44.0, "quiesce"),
    ]
    assert run.clock.now == 46.0


def test_start_and_stop_in_the_web_ui_make_the_phases_and_a_report() -> None:
    """Stop ends the load; Ctrl-C while nothing is loaded is the ordinary end."""
    run = ScriptedRun(says=[(20.0, f"{LOAD_BEGAN} 22 32"), (50.0, f"{LOAD_ENDED} 50")], stop_at_s=100.0)
    led_by_ui(cast(Run, run))
    assert [(round(t), what) for t, what in run.done] == [
        (3, "sampling"),
        (3, "idle"),
        (3, "tell idle"),
        (3, "census"),
        (22, "points from 22"),
        (22, "warm-up"),
        (32, "load"),
        (50, "drain"),
        (54, "quiesce"),
        (54, "report"),
        (54, "idle"),
        (54, "tell idle"),
    ]


def test_stop_at_once_makes_a_report_without_a_load() -> None:
    """Whoever stops in the warm-up is told by the report that there was no load."""
    run = ScriptedRun(says=[(20.0, f"{LOAD_BEGAN} 22 32"), (25.0, f"{LOAD_ENDED} 25")], stop_at_s=100.0)
    led_by_ui(cast(Run, run))
    assert [what for _, what in run.done] == [
        "sampling",
        "idle",
        "tell idle",
        "census",
        "points from 22",
        "warm-up",
        "drain",
        "quiesce",
        "report",
        "idle",
        "tell idle",
    ]


def test_a_second_start_is_a_second_load_of_the_same_run() -> None:
    """Idle, load, report; idle, load, report."""
    lines = [(20.0, f"{LOAD_BEGAN} 22 32"), (40.0, f"{LOAD_ENDED} 40"),
             (60.0, f"{LOAD_BEGAN} 62 72"), (80.0, f"{LOAD_ENDED} 80")]  # fmt: skip
    run = ScriptedRun(says=lines, stop_at_s=100.0)
    led_by_ui(cast(Run, run))
    assert [what for _, what in run.done].count("report") == 2


def test_an_end_while_the_report_is_made_is_the_ordinary_end() -> None:
    """The load was whole by then; the report is made again when the run has ended."""
    lines = [(20.0, f"{LOAD_BEGAN} 22 32"), (50.0, f"{LOAD_ENDED} 50")]
    run = ScriptedRun(says=lines, stop_in_report=True)
    led_by_ui(cast(Run, run))
    assert run.done[-1][1] == "report"


def test_an_end_before_any_load_is_an_interruption() -> None:
    """There is nothing to report."""
    with pytest.raises(StopRequestedError):
        led_by_ui(cast(Run, ScriptedRun(stop_at_s=30.0)))
