"""The row of an arm with several processes, as the terminal and Prometheus show it."""

from __future__ import annotations

from soak.recording.csv_writer import Row
from soak.sampling.row import ArmRow


def process(life: int, **cells: object) -> Row:
    return {"t_s": 1.0, "life": life, "cgroup_bytes": 100, **cells}


def test_the_row_of_one_process_is_its_own() -> None:
    """No sum changes it."""
    row = ArmRow().join([process(1, rss_bytes=5, loop_lag_ms=2.0, cpu_s=0.5)])
    assert {name: value for name, value in row.items() if value not in (None, {})} == process(
        1, rss_bytes=5, loop_lag_ms=2.0, cpu_s=0.5
    )


def test_amounts_and_gauges_add_up_and_the_longest_delay_stands() -> None:
    """The limit's charge is of all processes already."""
    rows = [
        process(1, rss_bytes=5, loop_lag_ms=2.0, gauges={"pool": 3, "queue": 1}),
        process(2, rss_bytes=6, loop_lag_ms=9.0, gauges={"pool": 4}),
    ]
    row = ArmRow().join(rows)
    assert (row["rss_bytes"], row["cgroup_bytes"], row["loop_lag_ms"]) == (11, 100, 9.0)
    assert row["gauges"] == {"pool": 7, "queue": 1}


def test_a_worker_that_misses_a_reading_makes_no_sum_drop() -> None:
    """The sum is unknown for that second, of gauges, too; the readings from outside go on."""
    arm = ArmRow()
    launcher, first = (
        process(1, rss_bytes=1),
        process(2, rss_bytes=5, live_blocks=50, gauges={"pool": 3}),
    )
    second = process(3, rss_bytes=6, live_blocks=60, gauges={"pool": 4})
    assert arm.join([launcher, first, second])["live_blocks"] == 110
    row = arm.join([launcher, first, process(3, rss_bytes=6)])
    assert (row["rss_bytes"], row["live_blocks"], row["gauges"]) == (12, None, {"pool": None})
    assert arm.join([launcher, first])["live_blocks"] == 50
