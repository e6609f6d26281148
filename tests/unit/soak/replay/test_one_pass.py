"""A pass, led through the life of a scripted arm in scripted time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from soak.contract import MIN_POINT_REQUESTS, MOST_REPLAY_POINTS, MOST_TRACES, REPLAY
from soak.plan.run_plan import RunPlan
from soak.process.spec import ProcessSpec
from soak.replay.life import Life, RefusedError, Sent
from soak.replay.one_pass import PassResult, PassRun
from soak.replay.passes import native_pass
from soak.replay.plan import PassPlan
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.ending import StopRequestedError

SECONDS = 30.0


@dataclass
class ScriptedLife:
    """An arm that answers ``rps`` requests a second and retains ``per_request`` traces of each."""

    rps: float = 200.0
    per_request: int = 10
    point_s: float = 0.1
    op_s: float = 0.0
    """Time to begin or to end the instrumentation, seconds."""
    analysis_s: float = 0.0
    pids: list[int] = field(default_factory=lambda: [100])
    now_s: float = 0.0
    pid: int | None = 100
    has_died: bool = False
    sent: int = 0
    asked: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    ran: list[ProcessSpec] = field(default_factory=list)
    stopped: bool = False
    raise_at: Mapping[int, Exception] = field(default_factory=dict)
    """What is raised by the number of the point."""
    analysis_code: int | None = 0
    charged_per_request: int = 0
    failed_share: float = 0.0
    """Share of its requests that fail, by 4xx."""
    refusing: int = 0
    """How many of its processes cannot be instrumented, the last ones."""
    begun: int = 0

    @property
    def charged_bytes(self) -> int:
        return (100 << 20) + self.sent * self.charged_per_request

    def start(self, until_s: float) -> None:
        self.now_s += 1.5
        if self.now_s > until_s:
            raise RefusedError("it was not ready in time")

    def send(self, least: int, seconds: float, until_s: float, drained_s: float) -> Sent:  # noqa: ARG002 - none is in flight
        period_s = min(max(seconds, least / max(self.rps, 1e-3)), max(0.0, until_s - self.now_s))
        self.now_s += period_s
        self.sent += int(period_s * self.rps + 1e-6)
        if error := self.raise_at.get(len(self.files)):
            self.has_died = isinstance(error, RefusedError)
            raise error
        return Sent({"GET /": self.sent}, {"timeout": self.sent, "4xx": int(self.failed_share * self.sent)})

    def processes(self) -> Iterable[tuple[int, ProbeClient]]:
        return [(pid, ProbeClient(Path("/nowhere"), pid)) for pid in self.pids]

    def why_no_probe(self) -> str:
        return "none of its processes loaded the probe"

    def ask(self, probe: ProbeClient, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:  # noqa: ARG002 - as Life
        self.asked.append(op)
        self._pass(self.point_s if op == "trace_point" else self.op_s, timeout_s, op)
        if op == "trace_begin":
            self.begun += 1
            if (self.begun - 1) % len(self.pids) >= len(self.pids) - self.refusing:
                raise ProbeError("a forked child is not captured")
        if op != "trace_point":
            return {}
        if isinstance(error := self.raise_at.get(-len(self.files)), ProbeError):
            raise error
        self.files.append(str(arguments["file"]))
        return {"traces": self.sent * self.per_request, "traced_bytes": self.sent * 64}

    def run(self, spec: ProcessSpec, log: Path, timeout_s: float) -> int | None:  # noqa: ARG002 - as Life
        self.ran.append(spec)
        self.now_s += min(self.analysis_s, timeout_s)
        return self.analysis_code if self.analysis_s <= timeout_s else None

    def _pass(self, seconds: float, timeout_s: float, op: str) -> None:
        self.now_s += min(seconds, timeout_s)
        if seconds > timeout_s:
            raise ProbeError(f"probe: {op}: timed out")

    def stop(self) -> None:
        self.stopped = True


def _go(plan: PassPlan, life: ScriptedLife, seconds: float = SECONDS) -> PassResult:
    result = PassRun(plan, cast(Life, life), lambda: life.now_s, seconds).go()
    assert life.stopped
    assert not plan.raw.exists()
    return result


def _rows(plan: PassPlan) -> list[dict[str, str]]:
    with (plan.directory / REPLAY).open() as file:
        return list(csv.DictReader(file))


def test_a_pass_takes_its_points_in_time_and_has_them_analysed_while_the_arm_lives(plan: PassPlan) -> None:
    """A row for each point with the requests before it; what is traced begins before the first request."""
    life = ScriptedLife()
    result = _go(plan, life)
    rows = _rows(plan)
    assert result == PassResult(MOST_REPLAY_POINTS, life.sent, "", is_interrupted=False, is_analysed=True)
    assert [int(row["point"]) for row in rows] == list(range(MOST_REPLAY_POINTS))
    assert int(rows[-1]["requests"]) == life.sent
    assert int(rows[-1]["traces"]) == life.sent * life.per_request
    assert life.asked[0] == "trace_begin"
    assert life.asked[-1] == "trace_end"
    assert life.now_s < SECONDS - 3
    [spec] = life.ran
    words = ["sites", str(plan.run_directory), "leaky", "--raw", str(plan.raw), "--pass", "python"]
    assert list(spec.argv[4:]) == [*words, "--root", "/proc/100/root"]


@pytest.mark.parametrize(("share", "is_analysed"), [(0.04, True), (0.06, False)])
def test_requests_that_fail_are_not_those_of_the_run(plan: PassPlan, share: float, is_analysed: bool) -> None:
    """What they retain is not what leaked: no line is named where more fail than may in a run, time-outs left out."""
    result = _go(plan, ScriptedLife(failed_share=share))
    assert result.is_analysed is is_analysed
    if not is_analysed:
        assert result.reason == (
            "12 of 200 requests failed, most of them by 4xx (at most 5% may): they are not those of the run, after 0 "
            "points, at least 4 are needed"
        )


def test_of_an_arm_with_workers_each_process_writes_its_own_file(plan: PassPlan) -> None:
    """And what they have is added up."""
    life = ScriptedLife(pids=[100, 101])
    _go(plan, life)
    assert [Path(file).name for file in life.files[:4]] == [
        "point-0.0.traces", "point-0.1.traces", "point-1.0.traces", "point-1.1.traces",
    ]  # fmt: skip
    first = _rows(plan)[0]
    assert int(first["traces"]) == 2 * int(first["requests"]) * life.per_request


@pytest.mark.parametrize(
    ("life", "reason"),
    [
        (ScriptedLife(pids=[]), "no probe: none of its processes loaded the probe, after 0 points"),
        (ScriptedLife(raise_at={2: RefusedError("it died (exit code 1)")}), "it died (exit code 1), after 2 points"),
        (ScriptedLife(raise_at={-3: ProbeError("the target stopped tracemalloc")}), "tracemalloc, after 3 points"),
        (ScriptedLife(pids=[*range(65)]), "it has 65 processes, at most 64 are traced, after 0 points"),
        (ScriptedLife(pids=[100, 101], refusing=1), "a forked child is not captured, after 0 points"),
        (ScriptedLife(rps=5), "requests before a point, at least 60 are needed; raise replay.seconds, after 2 points"),
        (ScriptedLife(rps=0), "0 requests before a point, at least 60 are needed, after 0 points"),
        (ScriptedLife(per_request=MOST_TRACES), "allocations live, at most 3,000,000 are traced, after 1 point, at"),
        (ScriptedLife(analysis_code=1), "the analysis of its points failed"),
        (ScriptedLife(analysis_code=None), "the analysis of its points failed"),
    ],
    ids=["no-probe", "dies", "stops-tracing", "too-many", "one-refuses", "slow", "no-requests", "too-many-traces",
         "analysis", "analysis-late"],
)  # fmt: skip
def test_a_pass_without_enough_is_refused_with_its_reason(
    plan: PassPlan, life: ScriptedLife, reason: str
) -> None:
    """Nothing is analysed with fewer than four points."""
    result = _go(plan, life)
    assert reason in result.reason
    assert not result.is_analysed
    assert len(life.ran) == (result.points >= 4)


@pytest.mark.parametrize(
    ("refusing", "reason"),
    [
        (1, "1 of its 3 processes left out: a forked child is not captured"),
        (3, "a forked child is not captured, after 0 points, at least 4 are needed"),
    ],
)
def test_a_native_pass_takes_the_processes_that_can_be_captured(
    plan: PassPlan, run_plan: RunPlan, refusing: int, reason: str
) -> None:
    """The reason states the others; without any it is refused."""
    plan = replace(plan, one=native_pass(run_plan.profile))
    life = ScriptedLife(pids=[100, 101, 102], refusing=refusing)
    result = _go(plan, life)
    assert (result.reason, result.is_analysed) == (reason, refusing < 3)
    assert {Path(file).name.split(".")[1] for file in life.files} == set("01" if refusing < 3 else "")


def test_an_arm_that_dies_after_enough_points_is_analysed_without_its_files(plan: PassPlan) -> None:
    """The reason for its early end stays."""
    life = ScriptedLife(raise_at={6: RefusedError("it died (exit code 1)")})
    result = _go(plan, life)
    assert (result.points, result.reason, result.is_analysed) == (6, "it died (exit code 1)", True)
    assert "--root" not in life.ran[0].argv


def test_a_pass_ends_before_the_arm_meets_its_limit(plan: PassPlan) -> None:
    """Its files can still be read; what is known of it by then suffices."""
    life = ScriptedLife(charged_per_request=1_000_000)
    result = _go(plan, life)
    assert (result.reason, result.is_analysed) == ("its memory limit is near", True)
    assert 5 <= result.points < MOST_REPLAY_POINTS
    assert plan.limit_bytes is not None
    assert 0.5 * plan.limit_bytes < life.charged_bytes < plan.limit_bytes


def test_ctrl_c_ends_a_pass_at_once(plan: PassPlan) -> None:
    """Its points are not analysed."""
    life = ScriptedLife(raise_at={5: StopRequestedError("SIGINT in the replay")})
    result = _go(plan, life)
    assert result.is_interrupted
    assert result.reason == "SIGINT in the replay"
    assert life.ran == []


def test_a_slow_arm_has_fewer_points_of_enough_requests(plan: PassPlan) -> None:
    """The time for the analysis is used up rather than refuse the pass."""
    life = ScriptedLife(rps=12)
    result = _go(plan, life)
    assert result.is_analysed
    assert 4 <= result.points < MOST_REPLAY_POINTS
    requests = [int(row["requests"]) for row in _rows(plan)]
    assert min(b - a for a, b in zip([0, *requests[:-1]], requests, strict=True)) >= MIN_POINT_REQUESTS


@pytest.mark.parametrize(
    "life",
    [
        ScriptedLife(pids=[*range(100, 108)], point_s=29.0),
        ScriptedLife(pids=[*range(100, 108)], op_s=29.0),
        ScriptedLife(pids=[*range(100, 108)], point_s=0.01, op_s=0.9),
        ScriptedLife(analysis_s=59.0),
    ],
    ids=["points", "begin", "end", "analysis"],
)
def test_many_slow_processes_do_not_hold_up_a_pass(plan: PassPlan, life: ScriptedLife) -> None:
    """All of them have one time together, and so has what follows: a third of the pass at most beyond its end."""
    _go(plan, life)
    assert life.now_s <= SECONDS * 4 / 3 + 1e-6


def test_an_analysis_that_begins_in_time_is_made(plan: PassPlan) -> None:
    """Also where it takes longer than was foreseen."""
    assert _go(plan, ScriptedLife(analysis_s=10.0)).is_analysed


def test_an_arm_that_gets_ready_too_late_is_refused(plan: PassPlan) -> None:
    """Without a row."""
    result = _go(plan, ScriptedLife(), seconds=1.0)
    assert result == PassResult(reason="it was not ready in time")
