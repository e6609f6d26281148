from __future__ import annotations

from bench.harness.progress import Progress


def test_progress_says_how_long_and_how_much_longer() -> None:
    """Elapsed time and what is left of the estimate; past it, nothing is left."""
    lines: list[str] = []
    times = iter([100.0, 110.0, 190.0])
    progress = Progress(lines.append, about_s=75.0, clock=lambda: next(times))
    progress.say("round 1")
    progress.say("round 2")
    assert lines == ["[0:10, 1:05 left] round 1", "[1:30, 0:00 left] round 2"]
