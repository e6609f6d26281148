"""Readings over hours in bounded memory, for a chart that is no wider than a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

MOST_POINTS: Final = 2_000

Point = Sequence[float | None]


class Series:
    """Keeps every point until there are MOST_POINTS, then every second one, then every fourth.

    They are real readings, never means. What was thinned out has a new ``epoch``: a reader that has points of
    another one takes all of them anew.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.epoch = 0
        self._stride = 1
        self._seen = 0
        self._points: list[Point] = []

    def __len__(self) -> int:
        return len(self._points)

    def add(self, point: Point) -> None:
        """Add the next reading, one number for each column."""
        if self._seen % self._stride == 0:
            if len(self._points) == MOST_POINTS:
                del self._points[1::2]
                self._stride *= 2
                self.epoch += 1
            if self._seen % self._stride == 0:
                self._points.append(point)
        self._seen += 1

    def since(self, epoch: int, count: int) -> dict[str, Any]:
        """Return what a reader lacks that has ``count`` points of ``epoch``; ``whole`` says that it is everything."""
        whole = epoch != self.epoch or not 0 < count <= len(self._points)
        return {
            "epoch": self.epoch,
            "whole": whole,
            "columns": self.columns,
            "points": self._points if whole else self._points[count:],
        }
