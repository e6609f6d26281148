"""Gates on recordings whose figures are planted."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.judge.types import Rate
from analysis.recording.latency import QUANTILES
from analysis.recording.read import read_recording
from analysis.report.gates import GateRow, gate_row, gate_rows
from analysis.verdict import validity
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.gates import Gate, GateReason, GateResult, candidate_gates
from analysis.verdict.run import judged_run
from soak.contract import GATES, GateLimit
from soak.contract.units import parse_limit
from soak.limit.watchdog import WatchdogLife

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


def held(run_dir: Path) -> GateRow:
    """Return the one gate beside ``leak``, in words."""
    gates = gate_rows(judged_run(read_recording(run_dir)))
    assert [gate.gate for gate in gates[:-1]] == ["leak"]
    return gates[-1]


def limit(gate: str, relation: str, value: float, *, of_before: bool = False) -> dict[str, tuple[GateLimit]]:
    """Return the field of Planted that sets one gate."""
    return {"gates": (GateLimit(gate, relation, value, of_before, f"{relation} {value:g}"),)}


@pytest.mark.parametrize(
    ("gate", "relation", "value", "measured"),
    [
        ("max_rss", "<=", 79e6, "75.3 MiB"),
        ("p99_ms", "<=", 9.0, "8.0 ms"),
        ("p99_drift", "<=", 1.1, "1.00x"),
        ("error_rate", "<=", 0.001, "0%"),
        ("availability", ">=", 0.999, "100%"),
        ("sessions", "<=", 4, "4"),
        ("min_time_to_oom", ">=", 70_000, "22.6 h"),
    ],
)
def test_a_gate_within_its_limit_passes(
    build_run: Build, gate: str, relation: str, value: float, measured: str
) -> None:
    """What was planted in the arm after is what is measured."""
    found = held(build_run(**limit(gate, relation, value)))
    assert (found.measured, found.outcome, found.arm) == (measured, "pass", "fixed")


@pytest.mark.parametrize(("value", "text"), [(80 * 2**20, "<= 80 MiB"), (80e6, "<= 76.3 MiB")])
def test_memory_is_in_binary_units_whatever_the_profile_wrote(
    build_run: Build, value: float, text: str
) -> None:
    """A value and its limit are read side by side."""
    found = held(
        build_run(gates=(GateLimit("max_rss", "<=", value, of_before=False, text=f"<= {value:.0f} B"),))
    )
    assert (found.measured, found.limit) == ("75.3 MiB", text)


@pytest.mark.parametrize(
    ("gate", "value"), [("max_rss", 78e6), ("p99_ms", 7.0), ("p99_drift", 0.9), ("sessions", 3)]
)
def test_a_gate_above_its_limit_fails(build_run: Build, gate: str, value: float) -> None:
    """And says on which side it is."""
    found = held(build_run(**limit(gate, "<=", value)))
    assert (found.outcome, found.why) == ("fail", "above the limit")


def test_a_limit_of_the_baseline_is_its_value_times_the_factor(build_run: Build) -> None:
    """Leaky has 4 ms and 8 ms as well, so 1.05 times that passes, and 0.9 times would not."""
    found = held(build_run(**limit("p99_ms", "<=", 1.05, of_before=True)))
    assert found.outcome == "pass"
    assert found.limit_raw == pytest.approx(8.4, abs=0.01)
    assert found.limit == "<= 1.05 (8.4 ms)"


def test_a_limit_of_a_baseline_that_did_not_run_is_open(build_run: Build) -> None:
    """Never a silent pass."""
    found = held(build_run(roles=("after",), **limit("p99_ms", "<=", 1.05, of_before=True)))
    assert (found.outcome, found.why) == ("inconclusive", "there is no arm before to compare with")


def test_too_few_requests_do_not_show_a_small_share(build_run: Build) -> None:
    """No failure in 14,400 requests bounds the error rate at 1 in 4,800, not at 1 in 10,000."""
    found = held(build_run(**limit("error_rate", "<=", 0.0001)))
    assert (found.outcome, found.why) == ("inconclusive", "too few requests to decide: 14,400, need 30,000")


def test_what_was_not_read_is_open(build_run: Build) -> None:
    """An arm without a probe has no sessions to count."""
    found = held(build_run(probe=False, **limit("sessions", "<=", 4)))
    assert (found.measured, found.outcome) == ("not measured", "inconclusive")
    assert found.why == "fixed has no reading of sessions_open"


def test_the_time_to_oom_is_judged_with_its_interval(build_run: Build) -> None:
    """A limit between the ends of the interval is open; one beyond both fails."""
    found = held(build_run(**limit("min_time_to_oom", ">=", 80_000)))
    assert (found.outcome, found.interval) == ("inconclusive", "20.5 h to 25.1 h")
    assert found.why == "the limit lies within the interval; a longer run would decide"


def test_a_candidate_that_was_oom_killed_has_no_time_left(build_run: Build) -> None:
    """Whatever its next life does."""
    roles = {"candidate": "leaky", "max_leak_bytes_per_request": 200.0}
    found = held(build_run(judge=roles, **limit("min_time_to_oom", ">=", 60)))
    assert (found.measured, found.outcome) == ("0 s", "fail")


@pytest.mark.parametrize(
    ("charged_above", "is_old", "measured", "outcome"),
    [(280e6, False, "7.7 h", "pass"), (440e6, False, "0 s", "fail"), (730e6, True, "0 s", "fail")],
)
def test_under_the_watchdog_the_time_to_oom_is_that_of_what_it_charges(
    build_run: Build, charged_above: float, is_old: bool, measured: str, outcome: str
) -> None:
    """Workers share pages: their RSS of 800 MB is beyond the limit of 512 MB, and 350 MB that count once are not.

    A charge beyond the limit fails. An older watchdog killed by the RSS, so that is what its recordings are judged by.
    """
    run_dir = build_run(**limit("min_time_to_oom", ">=", 3600))
    watchdog = WatchdogLife(1 << 62)
    watchdog.watch(os.getpid())
    file_bytes = watchdog.usage().file_bytes
    watchdog.close()
    path = run_dir / "fixed" / "samples.csv"
    rows = pd.read_csv(path)
    planted = {
        "rss_bytes": rows["rss_bytes"] + 730e6,
        "cgroup_bytes": rows["rss_bytes"] + charged_above,
        "cgroup_file_bytes": None if is_old else file_bytes,
    }
    rows.assign(**planted).to_csv(path, index=False)
    found = held(run_dir)
    assert (found.measured, found.outcome) == (measured, outcome)


@pytest.mark.parametrize(
    ("gate", "value", "outcome"),
    [("max_rss", 80e6, "inconclusive"), ("max_rss", 78e6, "fail"), ("p99_ms", 7.0, "inconclusive")],
)
def test_a_load_that_did_not_arrive_passes_nothing(
    build_run: Build, gate: str, value: float, outcome: str
) -> None:
    """What is beyond its limit fails all the same, but a latency may be the load generator's."""
    found = held(build_run(sent_share=0.9, **limit(gate, "<=", value)))
    assert found.outcome == outcome
    if outcome == "inconclusive":
        assert "requests planned while it was alive were sent" in found.why


VS_BEFORE = {"gates": (parse_limit("leak_vs_before", "<= 100 B/request"),)}


def test_a_candidate_that_leaks_less_than_the_arm_before_is_no_worse(build_run: Build) -> None:
    """The rate of fixed less that of leaky, with its whole interval, in the clock of the limit."""
    found = held(build_run(**VS_BEFORE))
    assert (found.gate, found.arm, found.outcome) == ("leak_vs_before", "fixed", "pass")
    assert (found.measured, found.interval) == ("-33.9 KiB/request", "-34.0 KiB to -33.9 KiB")
    assert (found.limit, found.why) == ("<= 100 B/request", "within the limit")
    assert (found.unit, found.limit_raw) == ("bytes per request", 100.0)


def test_a_candidate_that_leaks_more_than_the_arm_before_is_worse(build_run: Build) -> None:
    """The same two arms, the leaky one after."""
    found = held(build_run(roles=("after", "before"), **VS_BEFORE))
    assert (found.arm, found.outcome, found.why) == ("leaky", "fail", "above the limit")
    assert (found.measured, found.interval) == ("33.9 KiB/request", "33.9 KiB to 34.0 KiB")


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        ("<= 100 B/request", "pass", "within the limit"),
        ("<= 2 B/request", "inconclusive", "the limit lies within the interval; a longer run would decide"),
    ],
)
def test_two_arms_that_leak_alike_are_no_worse_than_each_other(
    build_run: Build, text: str, outcome: str, why: str
) -> None:
    """The gate leak fails all the same; a limit within the interval of the difference is open."""
    judge = {"candidate": "leaky", "max_leak_bytes_per_request": 200.0}
    found = held(build_run(judge=judge, gates=(parse_limit("leak_vs_before", text),)))
    assert (found.measured, found.outcome, found.why) == ("0 B/request", outcome, why)


def test_a_leak_per_time_is_compared_per_time(build_run: Build) -> None:
    """Whatever the clock of the margin is."""
    found = held(build_run(gates=(parse_limit("leak_vs_before", "<= 1 MiB/h"),)))
    assert (found.unit, found.outcome, found.limit) == ("bytes per s", "pass", "<= 1 MiB/h")
    assert found.measured == "-9.3 GiB/h"


def test_a_leak_beside_an_arm_before_that_did_not_run_is_open(build_run: Build) -> None:
    """Never a silent pass."""
    alone = held(build_run(roles=("after",), **VS_BEFORE))
    assert (alone.outcome, alone.why) == ("inconclusive", "there is no arm before to compare with")


def test_errors_of_a_difference_add_up_in_quadrature() -> None:
    """The lower end of what is taken away makes the upper end of the difference."""
    more = Rate(10.0, 7.0, 14.0) + -Rate(4.0, 1.0, 8.0)
    assert (more.value, more.low, more.high) == (6.0, 1.0, 11.0)


def test_a_leak_that_was_not_measured_is_not_compared(build_run: Build) -> None:
    """A recording without requests has no rate per request, in either arm."""
    run_dir = build_run(judge={"candidate": "fixed", "max_leak_bytes_per_s": 300.0}, **VS_BEFORE)
    for arm in ("leaky", "fixed"):
        path = run_dir / arm / "requests.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    found = held(run_dir)
    assert (found.measured, found.outcome) == ("not measured", "inconclusive")
    assert found.why == "fixed has no leak rate of memory per request"


def test_latencies_that_most_of_a_quarter_lacks_are_open(build_run: Build) -> None:
    """A request that was not sent has waited longest of all: a p99 without them is that of the others."""
    run_dir = build_run(**limit("p99_drift", "<=", 1.2))
    path = run_dir / "fixed" / "requests.csv"
    frame = pd.read_csv(path)
    in_load = frame["phase"] == "load"
    late = in_load & (frame["t_s"] > frame.loc[in_load, "t_s"].quantile(0.97))
    frame.loc[late, "missed"] = frame.loc[late, "planned"]
    frame.to_csv(path, index=False)
    found = held(run_dir)
    assert (found.measured, found.outcome) == ("not measured", "inconclusive")
    assert re.fullmatch(
        r"1\d\.\d% of the requests of its last quarter were not sent, and have no latency", found.why
    )


def missed_since(run_dir: Path, share: float) -> None:
    """Let nothing be sent to the arm after from that share of the load on."""
    path = run_dir / "fixed" / "requests.csv"
    frame = pd.read_csv(path)
    in_load = frame["phase"] == "load"
    late = in_load & (frame["t_s"] > frame.loc[in_load, "t_s"].quantile(share))
    frame.loc[late, ["missed", "sent", "ok"]] = frame.loc[late, ["planned"]].to_numpy() * [1, 0, 0]
    frame.to_csv(path, index=False)


@pytest.mark.parametrize(("value", "outcome"), [(9.0, "inconclusive"), (7.0, "fail")])
def test_a_p99_of_those_that_were_sent_passes_no_limit(
    build_run: Build, monkeypatch: pytest.MonkeyPatch, value: float, outcome: str
) -> None:
    """What was not sent would have taken longest; what is beyond the limit without it fails all the same."""
    monkeypatch.setattr(validity, "ARRIVED_AT_LEAST", 0.9)
    run_dir = build_run(**limit("p99_ms", "<=", value))
    missed_since(run_dir, 0.95)
    found = held(run_dir)
    assert found.outcome == outcome
    if outcome == "inconclusive":
        assert re.fullmatch(r"5\.\d% of the requests were not sent, and have no latency", found.why)


@pytest.mark.parametrize(("sent_share", "outcome"), [(0.975, "inconclusive"), (1.0, "pass")])
def test_availability_fails_for_no_request_that_was_not_sent(
    build_run: Build, sent_share: float, outcome: str
) -> None:
    """It was alive: why the load generator missed them is not known."""
    found = held(build_run(sent_share=sent_share, **limit("availability", ">=", 0.999)))
    assert (found.outcome, found.arm) == (outcome, "fixed")
    if outcome == "inconclusive":
        assert found.why == "the limit lies within the interval; a load that is sent whole would decide"


@pytest.mark.parametrize("since_s", [1e9, 60.0])
def test_a_count_that_was_read_for_a_part_of_the_load_passes_no_limit(
    build_run: Build, since_s: float
) -> None:
    """Where the drain has no reading of it, the most under load stands for it: of all of the load."""
    run_dir = build_run(**limit("sessions", "<=", 100.0))
    path = run_dir / "fixed" / "samples.csv"
    rows = pd.read_csv(path)
    gone = rows["rung"].notna() | (rows["t_s"] > since_s)
    rows.assign(sessions_open=rows["sessions_open"].mask(gone)).to_csv(path, index=False)
    found = held(run_dir)
    assert found.outcome == ("pass" if since_s > 1e6 else "inconclusive")
    if found.outcome == "inconclusive":
        assert found.why == "sessions_open was not read throughout the load"


@pytest.mark.parametrize(("gate", "value"), [("p99_ms", 90_000.0), ("p99_drift", 1.2)])
def test_times_that_are_cut_are_open(build_run: Build, gate: str, value: float) -> None:
    """What took longer than a minute counts as a minute."""
    judged = judged_run(read_recording(build_run(**limit(gate, "<=", value))))
    [arm] = [one for one in judged.arms if one.arm.name == "fixed"]
    slow = replace(arm.arm.latency, latency_ms=(60_030.9,) * len(QUANTILES), quarters_p99_ms=(60_030.9,) * 4)
    asked = GateLimit(gate, "<=", value, of_before=False, text="")
    found = candidate_gates(replace(arm, arm=replace(arm.arm, latency=slow)), None, (asked,))[-1]
    assert (found.result, found.detail) == (
        GateResult.INCONCLUSIVE, "its p99 is 60 s or more, the longest time that is recorded"
    )  # fmt: skip


MIB, DAY_S = 2**20, 86400.0


@pytest.mark.parametrize(
    ("gate", "asked", "value", "texts"),
    [
        ("max_rss", "<= 300 MiB", (300 + 2**-8) * MIB, ("300.004 MiB", "<= 300.000 MiB")),
        ("max_rss", "<= 300 MiB", 310.2 * MIB, ("310 MiB", "<= 300 MiB")),
        ("max_rss", "<= 300 MiB", 300 * MIB, ("300 MiB", "<= 300 MiB")),
        ("availability", ">= 99.999%", 0.99996, ("99.996%", ">= 99.999%")),
        ("availability", ">= 99.99%", 0.999897, ("99.9897%", ">= 99.99%")),
        ("availability", ">= 99.9%", 1.0, ("100%", ">= 99.9%")),
        ("p99_ms", "<= 50 ms", 50.04, ("50.04 ms", "<= 50 ms")),
        ("p99_drift", "<= 1.5x", 1.503, ("1.503x", "<= 1.5x")),
        ("tasks", "<= 50", 51.0, ("51", "<= 50")),
        ("min_time_to_oom", ">= 30d", 29.8 * DAY_S, ("29.8 days", ">= 30d")),
        ("min_time_to_oom", ">= 90s", 89.6, ("89.6 s", ">= 90s")),
        ("min_time_to_oom", ">= 3650d", 3649.9 * DAY_S, ("3,649.9 days", ">= 3650d")),
        ("min_time_to_oom", ">= 30d", math.inf, ("never", ">= 30d")),
        ("leak_vs_before", "<= 100 B/request", 100.3, ("100.3 B/request", "<= 100 B/request")),
    ],
)
def test_a_value_beyond_its_limit_is_not_written_as_the_limit(
    gate: str, asked: str, value: float, texts: tuple[str, str]
) -> None:
    """By as many further digits as that takes, of every unit; far from its limit it has its usual ones."""
    row = gate_row(planted(gate, asked, value))
    assert (row.measured, row.limit) == texts


def test_an_interval_with_the_limit_in_it_does_not_end_there() -> None:
    """The ends are told from the limit, too."""
    asked = planted("min_time_to_oom", ">= 30d", 31.4 * DAY_S)
    assert gate_row(replace(asked, low=29.9 * DAY_S, high=33 * DAY_S)).interval == "29.9 days to 33.0 days"
    assert gate_row(replace(asked, low=25 * DAY_S, high=33 * DAY_S)).interval == "25 days to 33 days"


def test_a_leak_just_beyond_the_margin_is_not_written_as_the_margin(build_run: Build) -> None:
    """Neither is the rate of the gate ``leak``; one that is far from the margin has its usual digits."""
    judged = judged_run(read_recording(build_run()))
    after = judged.arms[1]
    leak = judged.gates[0]
    near = Rate(200.3, 200.1, 200.5)
    texts = {}
    for rate in (near, Rate(300.3, 290.1, 310.5)):
        gate = replace(leak, value=rate.value, low=rate.low, high=rate.high)
        arm = replace(after, verdict=with_rate(after.verdict, rate))
        (row,) = gate_rows(replace(judged, gates=(gate,), arms=(arm,)))
        texts[rate] = (row.measured, row.limit, row.interval)
    assert [*texts.values()] == [
        ("200.3 B/request", "< 200.0 B/request", "200.1 B to 200.5 B"),
        ("300 B/request", "< 200 B/request", "290 B to 310 B"),
    ]


def planted(gate: str, asked: str, value: float) -> Gate:
    """Return a gate with this limit, as a profile writes it, and this value."""
    limit = parse_limit(gate, asked)
    unit = GATES[gate].unit if GATES[gate].unit != "leak" else "bytes per request"
    return Gate(gate, "fixed", unit, value, limit.limit, GateResult.FAIL, GateReason.BEYOND, asked=limit)


def with_rate(verdict: ArmVerdict, rate: Rate) -> ArmVerdict:
    """Return the verdict with another rate per request of its leading signal."""
    assert verdict.leading is not None
    judgement = replace(verdict.leading.judgement, per_request=rate)
    leading = replace(verdict.leading, judgement=judgement)
    return replace(verdict, leading=leading)
