"""The run's newest samples and verdict so far, for Prometheus to scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from soak.contract import LOAD, PHASES, VERDICTS, ArmLive
from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError
from soak.status.model import ATTACHED, ArmStatus, RunStatus

OUTCOMES: Final = ("planned", "ok", "failed")

GAUGES: Final = (
    ("process_resident_memory_bytes", "rss_bytes", "Resident memory; of an arm with many processes the sum."),
    ("process_open_fds", "fds", "Open file descriptors."),
    ("soak_threads", "threads", "Threads."),
    ("soak_uss_bytes", "uss_bytes", "Memory that only this process holds, as last read in its life."),
    ("soak_cgroup_bytes", "cgroup_bytes", "Memory charged to the arm's limit."),
    ("soak_native_bytes", "malloc_in_use_bytes", "Bytes that malloc has in use."),
    ("soak_live_blocks", "live_blocks", "Live blocks of the Python allocator."),
    ("soak_tasks_alive", "tasks_alive", "asyncio tasks alive; finished ones too up to CPython 3.13."),
    ("soak_tasks_finished", "tasks_finished", "Of those, finished but still referenced."),
    ("soak_sessions_open", "sessions_open", "aiohttp sessions that are not closed."),
    ("soak_loop_lag_seconds", "loop_lag_ms", "Delay of a callback in the event loop."),
)
"""Name, column of samples.csv, meaning. Names that Prometheus's own clients have are kept."""
SCALED: Final = {"loop_lag_ms": 1e-3}

Kind = type[GaugeMetricFamily] | type[CounterMetricFamily]
Labelled = tuple[tuple[str, ...], Any]
"""The values of the labels, and what has them; None where it was not read."""


class RunMetrics(Collector):
    """Exports the newest state of the run, and nothing once it has ended.

    What was not read has no series: it is never 0.
    """

    def __init__(self) -> None:
        self._now: RunStatus | None = None
        self._uss: dict[str, tuple[int, object]] = {}

    def show(self, now: RunStatus | None) -> None:
        """Take the state of the run, once a second; None once its processes have ended."""
        for arm in now.arms if now is not None else ():
            if arm.sample.get("uss_bytes") is not None:
                self._uss[arm.name] = (arm.life, arm.sample["uss_bytes"])
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of a scrape."""
        now = self._now
        if now is None:
            return
        up = [arm for arm in now.arms if arm.up]
        for name, column, meaning in GAUGES:
            scale = SCALED.get(column, 1.0)
            values = {arm.name: _scaled(self._read(arm, column), scale) for arm in up}
            yield from _of_arms(GaugeMetricFamily, name, meaning, values)
        meaning = "Gauges that the target registered."
        yield from _family(GaugeMetricFamily, "soak_gauge", meaning, ("arm", "name"), _target_gauges(up))
        cpu_s = {arm.name: arm.sample.get("cpu_s") for arm in up}
        meaning = "User and system time of the process."
        yield from _of_arms(CounterMetricFamily, "process_cpu_seconds", meaning, cpu_s)
        kills = {arm.name: arm.oom_kills for arm in now.arms}
        yield from _of_arms(CounterMetricFamily, "soak_oom_kills", "OOM kills of the arm.", kills)
        ready = {arm.name: arm.up for arm in now.arms}
        yield from _of_arms(GaugeMetricFamily, "soak_up", "Whether the arm is ready.", ready)
        lives = {arm.name: arm.life for arm in now.arms}
        yield from _of_arms(GaugeMetricFamily, "soak_life", "Counts the arm's processes.", lives)
        limits = {arm.name: arm.limit_bytes for arm in now.arms}
        yield from _of_arms(GaugeMetricFamily, "soak_memory_limit_bytes", "The arm's memory limit.", limits)
        meaning = "1 for the phase of the run."
        yield from _family(GaugeMetricFamily, "soak_phase", meaning, ("phase",), _phases(now.phase))
        name, meaning = "soak_requests_per_second", "Requests per second, mean of the newest 10 s of load."
        yield from _family(GaugeMetricFamily, name, meaning, ("arm", "outcome"), _requests(now.arms))
        yield from _judged({arm.name: arm.live for arm in now.arms if arm.live is not None})

    def _read(self, arm: ArmStatus, column: str) -> object:
        value = arm.sample.get(column)
        if column == "uss_bytes" and value is None and self._uss.get(arm.name, (0, None))[0] == arm.life:
            return self._uss[arm.name][1]
        return value


def serve_metrics(port: int) -> RunMetrics:
    """Serve metrics on loopback until the process ends; raises UsageError for a port that cannot be had."""
    metrics, registry = RunMetrics(), CollectorRegistry()
    registry.register(metrics)
    try:
        start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise UsageError(
            f"--metrics-port {port}: cannot listen there ({error.strerror}); choose another."
        ) from None
    return metrics


def _family(
    kind: Kind, name: str, meaning: str, labels: Sequence[str], values: Iterable[Labelled]
) -> Iterator[Metric]:
    """Yield the metric with the values that are known; none where none is."""
    family = kind(name, meaning, labels=labels)
    for labelled, value in values:
        if value is not None:
            family.add_metric(labelled, float(value))
    if family.samples:
        yield family


def _of_arms(kind: Kind, name: str, meaning: str, values: Mapping[str, Any]) -> Iterator[Metric]:
    return _family(kind, name, meaning, ("arm",), (((arm,), value) for arm, value in values.items()))


def _target_gauges(arms: Iterable[ArmStatus]) -> Iterator[Labelled]:
    for arm in arms:
        gauges = arm.sample.get("gauges")
        for name, value in gauges.items() if isinstance(gauges, dict) else ():
            yield (arm.name, name), value


def _phases(phase: str) -> Iterator[Labelled]:
    # No label of the others: each phase would begin new series, and cut every window of time at its start.
    now = LOAD if phase == ATTACHED else phase
    return (((name,), name == now) for name in PHASES)


def _requests(arms: Iterable[ArmStatus]) -> Iterator[Labelled]:
    return (((arm.name, outcome), arm.requests.get(outcome)) for arm in arms for outcome in OUTCOMES)


def _judged(live: Mapping[str, ArmLive]) -> Iterator[Metric]:
    verdicts = (((arm, name), one.verdict == name) for arm, one in live.items() for name in VERDICTS)
    labels = ("arm", "verdict")
    yield from _family(GaugeMetricFamily, "soak_verdict", "1 for the verdict so far.", labels, verdicts)
    rate = "Leak rate so far"
    for name, meaning, values in (
        ("soak_leak_rate_bytes_per_second", f"{rate}.", {arm: one.rate_per_s for arm, one in live.items()}),
        ("soak_leak_rate_low_bytes_per_second", f"{rate}: lower end of its interval.",
         {arm: one.low for arm, one in live.items()}),
        ("soak_leak_rate_high_bytes_per_second", f"{rate}: upper end of its interval.",
         {arm: one.high for arm, one in live.items()}),
        ("soak_time_to_oom_seconds", "Earliest time to OOM.", {arm: one.oom_low_s for arm, one in live.items()}),
    ):  # fmt: skip
        yield from _of_arms(GaugeMetricFamily, name, meaning, values)


def _scaled(value: object, scale: float) -> float | None:
    return float(value) * scale if isinstance(value, int | float) else None
