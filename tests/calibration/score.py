"""One trace judged: what was said beside what is true."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import pandas as pd

from analysis.external.frame import frame_judgement
from analysis.judge import judge_signal, unusable_judgement
from analysis.judge.types import INCONCLUSIVE, LEAK, Judgement, Margin, ReasonCode, SignalSeries
from analysis.recording.accounting import OWN
from analysis.verdict.decision import Served, decide
from analysis.verdict.other_explanations import reported_free
from analysis.verdict.signals import evidence
from tests.calibration import naive
from tests.calibration.plan import PARTS, TIMED, Task
from tests.calibration.simulator.arms import ArmTrace, simulate_arm
from tests.calibration.simulator.kinds import FILLING
from tests.calibration.simulator.lives import MARGIN
from tests.calibration.simulator.simulate import Trace, simulate

CRASHED: Final = "crashed"
LONGEST: Final = 24.0
"""Hours up to which a longer run is tried."""
METHOD_PREFIX: Final = "naive: "


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of outcomes.csv; rates in margins, times in seconds, NaN for what was not said."""

    by: str
    """What was judged: memory alone, or its parts."""
    group: str
    kind: str
    seed: int
    hours: float
    leak: float
    decidable: bool
    verdict: str
    code: str
    """Code of the reason."""
    slope: float
    low: float
    high: float
    detectable: float
    oom_s: float
    """The truth: when the crest of memory meets the limit."""
    oom_mean_s: float
    oom_low_s: float
    oom_high_s: float
    more_s: float
    """How much longer to run, as stated."""
    took_s: float
    found_again: float
    """1 when the stated minimum detectable leak was called in a replay, 0 when not, NaN when it was not tried."""
    decided: float
    """1 when a replay that was longer by ``more_s`` was decided, 0 when not, NaN when it was not tried."""
    with_gauge: str
    """The verdict on a cache that is known to be still filling; empty for other kinds."""
    naive: dict[str, bool]


def score(task: Task) -> Outcome:
    """Simulate and judge one trace."""
    return _score_parts(task) if task.by == PARTS else _score_alone(task)


def _score_alone(task: Task) -> Outcome:
    trace = simulate(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, multiple=task.multiple)
    began_s = time.perf_counter()
    said = _judged(lambda: frame_judgement(trace.frame.copy(), detectable=not task.verdict_only))
    took_s = time.perf_counter() - began_s
    outcome = replace(
        _outcome(task, said, trace.leak, took_s, decidable=trace.decidable),
        oom_s=_number(trace.oom_s),
        oom_mean_s=_number(trace.oom_mean_s),
        with_gauge=_with_gauge(trace) if task.kind == FILLING and not task.verdict_only else "",
        naive={} if task.group == TIMED or task.verdict_only else naive.verdicts(trace.frame),
    )
    if not (task.again and trace.decidable):
        return outcome
    found = _found_again(task, _number(said.detectable_per_s)) if said.verdict != LEAK else np.nan
    return replace(outcome, found_again=found, decided=_decided(task, _number(said.more_s)))


def _score_parts(task: Task) -> Outcome:
    trace = simulate_arm(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, multiple=task.multiple)
    began_s = time.perf_counter()
    said = _judged(lambda: _judge_arm(trace))
    took_s = time.perf_counter() - began_s
    outcome = _outcome(task, said, trace.leak, took_s, decidable=trace.decidable)
    if task.verdict_only:
        return outcome
    rows = trace.arm.samples
    return replace(
        outcome, naive=naive.verdicts(pd.DataFrame({"time_s": rows["t_s"], "rss_bytes": rows[OWN]}))
    )


def _judge_arm(trace: ArmTrace) -> Judgement:
    """Return the judgement that an arm's verdict rests on."""
    margin = Margin(per_s=MARGIN)
    found = evidence(trace.arm, trace.load, margin, None)
    if found is None:
        return unusable_judgement(OWN, ReasonCode.NO_READINGS)
    served = Served(trace.load.end_s - trace.load.start_s, 0.0)
    decided = decide(found, served, free=reported_free(trace.arm, trace.load), detectable=False)
    return decided.leading.judgement


def _outcome(task: Task, said: Judgement, leak: float, took_s: float, *, decidable: bool) -> Outcome:
    rate, oom = said.per_s, said.oom if said.verdict == LEAK else None
    return Outcome(
        by=task.by,
        group=task.group,
        kind=task.kind,
        seed=task.seed,
        hours=task.hours,
        leak=leak / MARGIN,
        decidable=decidable,
        verdict=CRASHED if said.reason == CRASHED else said.verdict,
        code=str(said.reason_code or ""),
        slope=np.nan if rate is None else rate.value / MARGIN,
        low=np.nan if rate is None else rate.low / MARGIN,
        high=np.nan if rate is None else rate.high / MARGIN,
        detectable=_number(said.detectable_per_s) / MARGIN,
        oom_s=np.nan,
        oom_mean_s=np.nan,
        oom_low_s=np.nan if oom is None else oom.low,
        oom_high_s=np.nan if oom is None else oom.high,
        more_s=_number(said.more_s),
        took_s=took_s,
        found_again=np.nan,
        decided=np.nan,
        with_gauge="",
        naive={},
    )


def table(outcomes: list[Outcome]) -> pd.DataFrame:
    """Return the outcomes with a column for each field and each naive method."""
    columns = [field.name for field in fields(Outcome) if field.name != "naive"]
    return pd.DataFrame(
        [
            {name: getattr(outcome, name) for name in columns}
            | {METHOD_PREFIX + method: called for method, called in outcome.naive.items()}
            for outcome in outcomes
        ]
    )


def _judged(judge: Callable[[], Judgement]) -> Judgement:
    try:
        return judge()
    except Exception:  # noqa: BLE001  a crash is a figure of the report, whatever it is
        return Judgement("rss_bytes", INCONCLUSIVE, CRASHED)


def _found_again(task: Task, detectable: float) -> float:
    """Return whether a leak of so many bytes per second is called in a replay."""
    if not np.isfinite(detectable):
        return np.nan
    replay = simulate(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, replay=1, added=detectable)
    return float(_judged(lambda: frame_judgement(replay.frame, detectable=False)).verdict == LEAK)


def _decided(task: Task, more_s: float) -> float:
    """Return whether a replay that is so much longer is decided."""
    hours = task.hours + more_s / 3600
    if not hours <= LONGEST:
        return np.nan
    replay = simulate(task.kind, task.seed, hours=hours, tick_s=task.tick_s, multiple=task.multiple, replay=1)
    return float(_judged(lambda: frame_judgement(replay.frame, detectable=False)).verdict != INCONCLUSIVE)


def _with_gauge(trace: Trace) -> str:
    """Return the verdict on USS, or RSS where there is none, by a judge told that the cache has not met its bound."""
    frame = trace.frame
    name = "uss_bytes" if frame["uss_bytes"].notna().any() else "rss_bytes"
    readings = SignalSeries(
        signal=name,
        t_s=frame["time_s"].to_numpy(np.float64),
        value=frame[name].to_numpy(np.float64),
        life=frame["restart_id"].to_numpy(np.float64) + 1,
        requests=frame["requests_total"].to_numpy(np.float64),
    )
    said = judge_signal(readings, Margin(per_s=MARGIN), bounded=False, detectable=False)
    return said.verdict


def _number(value: float | None) -> float:
    return np.nan if value is None else value
