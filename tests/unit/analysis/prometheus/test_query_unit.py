"""What a query of memory yields by its text."""

from __future__ import annotations

import pytest

from analysis.prometheus.queries import Query
from analysis.prometheus.query_unit import is_counter, times_bytes, yields_changes


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("delta(process_resident_memory_bytes[1h])", True),
        ("max by (pod) (increase(m_bytes[5m]))", True),
        ("deriv(m_bytes[1h]) * 3600", True),
        ("job:m_bytes:rate5m", True),
        ("process_resident_memory_bytes", False),
        ("avg_over_time(m_bytes[1h])", False),
        ("max by (delta) (m_bytes{kind='delta(x)'})", False),
        ("alpha_delta_bytes", False),
        ("m_bytes and on (pod) rate(cpu_seconds_total[5m]) > 0", False),
    ],
)
def test_what_memory_changes_by_is_told_from_memory(text: str, changes: bool) -> None:
    """It stays the same while memory leaks; behind ``and`` it only chooses series."""
    assert yields_changes(Query(text, "--query")) is changes


@pytest.mark.parametrize(
    ("text", "counter"),
    [
        ("go_memstats_alloc_bytes_total", True),
        ('go_memstats_alloc_bytes_total{job="a"}', True),
        ("go_memstats_alloc_bytes", False),
        ("shop_memory_total * 1", False),
        ('m_bytes{kind="_total"}', False),
    ],
)
def test_a_counter_is_told_by_its_name(text: str, counter: bool) -> None:
    """Unless the query says that it is none."""
    assert is_counter(Query(text, "--query")) is counter


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("m_bytes / 1024", 2.0**-10),
        ("m_bytes / 1024 / 1024", 2.0**-20),
        ("max by (pod) (m_bytes) / (1024 * 1024)", 2.0**-20),
        ("m_bytes / 1e6", 1e-6),
        ("m_bytes / 2^20", 2.0**-20),
        ("1024 * m_bytes", 2.0**10),
        ("avg_over_time(m_bytes[5m]) * 1000", 1e3),
        ("app_rss_kb * 1000 * 1024", 1e3),
        ("app_rss_kb * 1", 2.0**-10),
        ("app_rss_kb * 1024", 1.0),
        ("app_rss_mb * 1024 * 1024", 1.0),
        ("app_rss_mb * 1e6", 1.0),
        ("sum by (pod) (m_bytes) / 2", 1.0),
        ("m_bytes * 1", 1.0),
        ("m_bytes - 1024", 1.0),
        ("app_memory / 1024", 1.0),
        ("m_bytes{size='/ 1024'}", 1.0),
        ("m_bytes / on (pod) limit_mb", 1.0),
        ("m_bytes and on (pod) free_bytes / 1024 > 5", 1.0),
        ("m_bytes / 0", 1.0),
        ("m_bytes / 1e999 / 9^9999999", 1.0),
    ],
)
def test_factors_that_make_another_unit_are_told(text: str, times: float) -> None:
    """By the unit that the name ends with; what brings it to bytes is right."""
    assert times_bytes(Query(text, "--query")) == pytest.approx(times)
