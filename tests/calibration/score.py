"""One trace judged: what was said beside what is true."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import pandas as pd

from analysis.external.frame import judge_frame
from analysis.judge import judge_signal
from analysis.judge.types import LEAK, Margin, SignalSeries
from tests.calibration import naive
from tests.calibration.plan import TIMED, Task
from tests.calibration.simulator.simulate import FILLING, MARGIN, Trace, simulate

CRASHED: Final = "crashed"
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
    took_s: float
    found_again: float
    """1 when the stated minimum detectable leak was called in a replay, 0 when not, NaN when it was not tried."""
    with_gauge: str
    """The verdict on a cache that is known to be still filling; empty for other kinds."""
    naive: dict[str, bool]


def score(task: Task) -> Outcome:
    """Simulate and judge one trace."""
    trace = simulate(task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, multiple=task.multiple)
    began_s = time.perf_counter()
    said = _judged(trace.frame)
    took_s = time.perf_counter() - began_s
    detectable = _number(said, "mde_bytes_per_s")
    found = np.nan
    if task.again and trace.decidable and said["verdict"] != LEAK and np.isfinite(detectable):
        replay = simulate(
            task.kind, task.seed, hours=task.hours, tick_s=task.tick_s, replay=1, added=detectable
        )
        found = float(_judged(replay.frame)["verdict"] == LEAK)
    return Outcome(
        group=task.group,
        kind=task.kind,
        seed=task.seed,
        hours=task.hours,
        leak=trace.leak / MARGIN,
        decidable=trace.decidable,
        verdict=str(said["verdict"]),
        slope=_number(said, "slope_bytes_per_s") / MARGIN,
        low=_number(said, "ci_low") / MARGIN,
        high=_number(said, "ci_high") / MARGIN,
        detectable=detectable / MARGIN,
        oom_s=np.nan if trace.oom_s is None else trace.oom_s,
        oom_mean_s=np.nan if trace.oom_mean_s is None else trace.oom_mean_s,
        oom_low_s=_number(said, "oom_eta_low_s"),
        oom_high_s=_number(said, "oom_eta_high_s"),
        took_s=took_s,
        found_again=found,
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


def _judged(frame: pd.DataFrame) -> dict[str, object]:
    try:
        return dict(judge_frame(frame.copy()))
    except Exception as error:  # noqa: BLE001  a crash is a figure of the report, whatever it is
        return {"verdict": CRASHED, "error": repr(error)}


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


def _number(said: dict[str, object], key: str) -> float:
    value = said.get(key)
    return float(value) if isinstance(value, int | float) else np.nan
