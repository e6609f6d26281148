from __future__ import annotations

from soak.contract.clock import RunClock


def test_run_clock() -> None:
    """t_s counts from the run's start; the wall time of a past second is reckoned back from now."""
    clock = RunClock(1000.0, monotonic_s=lambda: 1007.5, wall_s=lambda: 1_720_137_607.5)
    assert clock.now_s() == 7.5
    assert clock.wall_time() == "2024-07-05T00:00:07.500+00:00"
    assert clock.wall_time(2) == "2024-07-05T00:00:02.000+00:00"
