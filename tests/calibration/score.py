"""One trace judged: what was said beside what is true."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import pandas as pd

from analysis.external.frame import frame_judgement
from analysis.judge import judge_signal
from analysis.judge.types import INCONCLUSIVE, LEAK, Judgement, Margin, SignalSeries
from tests.calibration import naive
from tests.calibration.plan import TIMED, Task
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

    group: str
    kind: str
    seed: int
    hours: float
    leak: float
    decidable: bool
    verdict: str
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
    trace = simulate(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, multiple=task.multiple)
    began_s = time.perf_counter()
    said = _judged(trace.frame)
    took_s = time.perf_counter() - began_s
    rate, oom = said.per_s, said.oom if said.verdict == LEAK else None
    detectable = _number(said.detectable_per_s)
    again = task.again and trace.decidable
    return Outcome(
        group=task.group,
        kind=task.kind,
        seed=task.seed,
        hours=task.hours,
        leak=trace.leak / MARGIN,
        decidable=trace.decidable,
        verdict=CRASHED if said.reason == CRASHED else said.verdict,
        slope=np.nan if rate is None else rate.value / MARGIN,
        low=np.nan if rate is None else rate.low / MARGIN,
        high=np.nan if rate is None else rate.high / MARGIN,
        detectable=detectable / MARGIN,
        oom_s=_number(trace.oom_s),
        oom_mean_s=_number(trace.oom_mean_s),
        oom_low_s=np.nan if oom is None else oom.low,
        oom_high_s=np.nan if oom is None else oom.high,
        more_s=_number(said.more_s),
        took_s=took_s,
        found_again=_found_again(task, detectable) if again and said.verdict != LEAK else np.nan,
        decided=_decided(task, _number(said.more_s)) if again else np.nan,
        with_gauge=_with_gauge(trace) if task.kind == FILLING else "",
        naive={} if task.group == TIMED else naive.verdicts(trace.frame),
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


def _judged(frame: pd.DataFrame, *, detectable: bool = True) -> Judgement:
    try:
        return frame_judgement(frame.copy(), detectable=detectable)
    except Exception:  # noqa: BLE001  a crash is a figure of the report, whatever it is
        return Judgement("rss_bytes", INCONCLUSIVE, CRASHED)


def _found_again(task: Task, detectable: float) -> float:
    """Return whether a leak of so many bytes per second is called in a replay."""
    if not np.isfinite(detectable):
        return np.nan
    replay = simulate(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, replay=1, added=detectable)
    return float(_judged(replay.frame, detectable=False).verdict == LEAK)


def _decided(task: Task, more_s: float) -> float:
    """Return whether a replay that is so much longer is decided."""
    hours = task.hours + more_s / 3600
    if not hours <= LONGEST:
        return np.nan
    replay = simulate(task.kind, task.seed, hours=hours, tick_s=task.tick_s, multiple=task.multiple, replay=1)
    return float(_judged(replay.frame, detectable=False).verdict != INCONCLUSIVE)


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
