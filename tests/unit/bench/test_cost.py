from __future__ import annotations

from pathlib import Path

from bench.cost import Point, read_points, write_points
from bench.picture import HOURS, PANELS, RATE, draw


def test_points_are_read_as_they_were_written(tmp_path: Path) -> None:
    """So the picture can be drawn again, and one panel be measured anew; without a file there is none."""
    points = [Point(RATE, "planned load", 2000.0, 0.1234), Point(HOURS, "judge", 72.0, 6.5)]
    assert read_points(tmp_path / "cost.csv") == []
    write_points(tmp_path / "cost.csv", points)
    assert read_points(tmp_path / "cost.csv") == points


def test_the_picture_is_at_most_1280_px_wide(tmp_path: Path) -> None:
    """Whatever panels have points."""
    points = [
        (panel, line, x, x / 100) for panel in list(PANELS)[1:] for line in ("a", "b") for x in (1.0, 10.0)
    ]
    draw(points, tmp_path / "cost.png")
    head = (tmp_path / "cost.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert 600 <= int.from_bytes(head[16:20], "big") <= 1280
