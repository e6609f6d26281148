"""Readings over hours in bounded memory, for a chart on a screen."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any, Final

MOST_POINTS: Final = 2_000
"""Number of points of a series that are kept."""

SeriesPoint = Sequence[float | None]
"""One reading: a number for each column, None where it was not read."""


class Series:
    """Keeps every point until there are MOST_POINTS, then every second one, then every fourth.

    The points are real readings, never means; all their memory is taken at once. Thinning starts a new ``epoch``: a
    reader with points of another epoch gets all points again.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.epoch = 0
        self._stride = 1
        self._seen = 0
        self._count = 0
        self._values = array("d", bytes(8 * MOST_POINTS * len(self.columns)))
        """Of each point its numbers, NaN where one was not read."""

    def __len__(self) -> int:
        return self._count

    def add(self, point: SeriesPoint) -> None:
        """Add the next reading."""
        if self._seen % self._stride == 0:
            if self._count == MOST_POINTS:
                self._thin()
            if self._seen % self._stride == 0:
                begin = self._count * len(self.columns)
                for place, value in enumerate(point, begin):
                    self._values[place] = math.nan if value is None else value
                self._count += 1
        self._seen += 1

    def since(self, epoch: int, count: int) -> dict[str, Any]:
        """Return the points that a reader with ``count`` points of ``epoch`` lacks; ``whole`` if these are all."""
        whole = epoch != self.epoch or not 0 < count <= self._count
        return {
            "epoch": self.epoch,
            "whole": whole,
            "columns": self.columns,
            "points": [self._point(number) for number in range(0 if whole else count, self._count)],
        }

    def _point(self, number: int) -> list[float | None]:
        width = len(self.columns)
        values = self._values[number * width : (number + 1) * width]
        return [None if math.isnan(value) else value for value in values]

    def _thin(self) -> None:
        width = len(self.columns)
        for number in range(0, self._count, 2):
            half = number // 2
            self._values[half * width : (half + 1) * width] = self._values[
                number * width : (number + 1) * width
            ]
        self._count = (self._count + 1) // 2
        self._stride *= 2
        self.epoch += 1
