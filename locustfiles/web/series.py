"""Readings over hours in bounded memory, for a chart on a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

MOST_POINTS: Final = 2_000
"""Number of points of a series that are kept."""

SeriesPoint = Sequence[float | None]
"""One reading: a number for each column, None where it was not read."""


class Series:
    """Keeps every point until there are MOST_POINTS, then every second one, then every fourth.

    The points are real readings, never means. Thinning starts a new ``epoch``: a reader with points of another epoch
    gets all points again.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.epoch = 0
        self._stride = 1
        self._seen = 0
        self._points: list[SeriesPoint] = []

    def __len__(self) -> int:
        return len(self._points)

    def add(self, point: SeriesPoint) -> None:
        """Add the next reading."""
        if self._seen % self._stride == 0:
            if len(self._points) == MOST_POINTS:
                del self._points[1::2]
                self._stride *= 2
                self.epoch += 1
            if self._seen % self._stride == 0:
                self._points.append(point)
        self._seen += 1

    def since(self, epoch: int, count: int) -> dict[str, Any]:
        """Return the points that a reader with ``count`` points of ``epoch`` lacks; ``whole`` if these are all."""
        whole = epoch != self.epoch or not 0 < count <= len(self._points)
        return {
            "epoch": self.epoch,
            "whole": whole,
            "columns": self.columns,
            "points": self._points if whole else self._points[count:],
        }
