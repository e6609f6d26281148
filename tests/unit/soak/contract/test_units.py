"""Numbers with units: what is accepted, and what a user reads when it is not."""

from __future__ import annotations

import pytest

from soak.config.load import load_profile
from soak.contract import GATES
from soak.contract.units import (
    LeakRate,
    clock_text,
    mebibytes,
    parse_duration,
    parse_leak_per_time,
    parse_leak_rate,
    parse_limit,
    parse_limit_option,
    parse_size,
    three_digits,
)
from soak.errors import UsageError


def test_sizes_durations_and_leak_rates_are_read_with_their_units() -> None:
    """Powers of ten and of two are told apart, and a leak is per time or per request."""
    assert (parse_size("300 MiB"), parse_size("1.5GB"), parse_size("200 b")) == (300 * 2**20, 1.5e9, 200)
    assert (parse_duration("30d"), parse_duration("90 min")) == (2_592_000, 5400)
    assert parse_leak_rate("1 MiB/h") == LeakRate(per_s=2**20 / 3600)
    assert parse_leak_rate("0.5 kB / request") == LeakRate(per_request=500)
    assert parse_leak_rate("200 b/Request") == LeakRate(per_request=200)
    with pytest.raises(ValueError, match="as no requests are counted"):
        parse_leak_per_time("200 B/Request")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "1 MiB",
            "a leak is a size per time or per request, for example 1 MiB/h or 200 B/request, not '1 MiB'",
        ),
        ("1_ MiB/h", "unknown unit '_ MiB': did you mean 'MiB'?"),
        ("1 MiBs/h", "unknown unit 'MiBs': did you mean 'MiB'?"),
        ("200 B/reqest", "unknown unit 'reqest': did you mean 'request'?"),
        ("200/request", "a number and a unit are needed, for example '1 MiB', not '200'"),
        ("-1 B/h", "a number and a unit are needed, for example '1 MiB', not '-1 B'"),
        ("1e309 GiB/h", "'1e309 GiB' is too large; for example '1 MiB'"),
        ("0 B/h", "the smallest leak that matters must be above 0, not '0 B/h'"),
        ("", "a leak is a size per time or per request, for example 1 MiB/h or 200 B/request, not ''"),
    ],
)
def test_a_leak_rate_that_is_none_is_answered_with_the_fix(text: str, sentence: str) -> None:
    """The nearest unit, or an example."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_leak_rate(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_reads_its_own_example(gate: str) -> None:
    """The example of the documentation and of the messages is valid, and stands for what it says."""
    limit = parse_limit(gate, GATES[gate].example)
    assert (limit.gate, limit.relation, limit.text) == (gate, GATES[gate].relation, GATES[gate].example)


def test_a_limit_is_in_the_unit_of_its_gate() -> None:
    """Percent become a share, seconds milliseconds, and a limit of the baseline stays a factor."""
    assert parse_limit("availability", "≥99.9 %").limit == 0.999
    assert parse_limit("p99_ms", "<= 2 s").limit == 2000
    assert parse_limit("min_time_to_oom", ">= 2h").limit == 7200
    relative = parse_limit("p99_ms", "≤ 1.05x before")
    assert (relative.limit, relative.of_before, relative.text) == (1.05, True, "<= 1.05x before")


@pytest.mark.parametrize(
    ("gate", "text", "sentence"),
    [
        ("max_rss", "300 MiB", "a limit is written <= and a value, for example '<= 300 MiB'"),
        ("max_rss", ">= 300 MiB", "max_rss takes <= and a value, for example '<= 300 MiB'"),
        ("max_rss", "<= 300", "a unit is missing: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, x before"),
        ("max_rss", "<= 300 MiBs", "unknown unit 'MiBs': did you mean 'MiB'?"),
        ("p99_ms", "<= 1.1x befor", "unknown unit 'x befor': did you mean 'x before'?"),
        ("tasks", "<= 5 MB", "unknown unit 'MB': valid here: x before"),
        (
            "min_time_to_oom",
            ">= 1.1x before",
            "min_time_to_oom cannot be relative to before; for example '>= 30d'",
        ),
    ],
)
def test_a_limit_that_is_none_is_answered_with_the_fix(gate: str, text: str, sentence: str) -> None:
    """The relation, the nearest unit, or an example."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_limit(gate, text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["gates.p99=<= 3 ms"], "unknown key 'gates.p99': did you mean 'p99_ms'?"),
        (
            ["gates.max_rss=<= 3 MBit"],
            "'gates.max_rss': unknown unit 'MBit': did you mean 'MB'? (it is '<= 3 MBit').",
        ),
        (
            ["judge.control=leak"],
            "judge.control names 'leak', which is no arm; it has leaky, published_fix, fixed.",
        ),
        (
            ["judge.min_time_to_oom=3d"],
            "'judge': max_leak and min_time_to_oom both set the margin: keep one.",
        ),
    ],
)
def test_a_profile_with_a_wrong_gate_or_margin_is_refused(settings: list[str], sentence: str) -> None:
    """The key is named, with what is wrong and the fix."""
    with pytest.raises(UsageError) as caught:
        load_profile("demo", settings)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("text", "limit_bytes"), [("", None), ("2 GiB", 2**31), ("1 B", 1), ("8388607 TiB", 8_388_607 * 2**40)]
)
def test_the_option_of_a_limit_is_a_size(text: str, limit_bytes: int | None) -> None:
    """Without it there is none; up to what a kernel counts it is believed."""
    assert parse_limit_option(text) == limit_bytes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 B", "--limit 0 B: give a size above 0."),
        ("9000000 TiB", "--limit 9000000 TiB: no machine has so much; give the memory limit of the process"),
        ("8388608 TiB", "--limit 8388608 TiB: no machine has so much"),
        ("1e300 B", "--limit 1e300 B: no machine has so much"),
        ("1e308 TiB", "--limit: '1e308 TiB' is too large"),
    ],
)
def test_a_limit_that_is_none_is_a_usage_error(text: str, sentence: str) -> None:
    """None is above what a kernel counts, or 0: neither fits into a manifest, nor means anything."""
    with pytest.raises(UsageError) as caught:
        parse_limit_option(text)
    assert str(caught.value).startswith(sentence)


def test_a_profile_without_a_margin_has_one() -> None:
    """1 MiB an hour is the leak that matters unless the profile says otherwise."""
    assert load_profile("ablation").judge.margin == LeakRate(per_s=2**20 / 3600)
    assert load_profile("demo").judge.margin == LeakRate(per_request=200)


def test_the_limit_of_a_leak_keeps_its_clock() -> None:
    """Per request or per time, and never a multiple of the arm before, which may not leak at all."""
    per_request, per_time = (
        parse_limit("leak_vs_before", text) for text in ("<= 100 B/request", "≤ 1 MiB/h")
    )
    assert (per_request.limit, per_request.per_request, per_request.needs_before) == (100.0, True, True)
    assert (per_time.limit, per_time.per_request, per_time.text) == (2**20 / 3600, False, "<= 1 MiB/h")
    with pytest.raises(
        ValueError, match="leak_vs_before cannot be relative to before; for example '<= 100 B/request'"
    ):
        parse_limit("leak_vs_before", "<= 1.1x before")
    with pytest.raises(ValueError, match="a leak is a size per time or per request"):
        parse_limit("leak_vs_before", "<= 100 B")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3600, "1:00:00"), (-3, "0:00")])
def test_durations_are_hours_minutes_seconds(seconds: float, text: str) -> None:
    """Also at the edges."""
    assert clock_text(seconds) == text


def test_long_times_stay_in_hours() -> None:
    """A soak of three days is 72 hours."""
    assert [clock_text(seconds, hours=True) for seconds in (0, 59.6, 3600, 259_200, 3_600_000)] == [
        "0:00:00",
        "0:01:00",
        "1:00:00",
        "72:00:00",
        "1,000:00:00",
    ]


def test_memory_has_as_many_decimals_as_its_reader_needs() -> None:
    """Thousands are apart; the unit is in the sentence or the head of the table."""
    assert [mebibytes(1485 << 20, decimals) for decimals in (0, 1)] == ["1,485", "1,485.0"]


def test_a_number_has_three_digits() -> None:
    """Two below 1, no minus of what is 0; thousands are apart unless the text is short."""
    numbers = (1234.5, 99.96, 12.345, 0.123, -0.001)
    assert [three_digits(number) for number in numbers] == ["1,234", "100", "12.3", "0.12", "0.00"]
    assert three_digits(1000, thousands="") == "1000"
