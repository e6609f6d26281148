"""One row of samples, and the row of an arm with several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from soak.contract import SAMPLE_COLUMNS, ProcessSums
from soak.recording.csv_writer import Row

_AMOUNTS: Final = tuple(one.name for one in SAMPLE_COLUMNS if one.additive and one.kind == "number")
_OBJECTS: Final = tuple(one.name for one in SAMPLE_COLUMNS if one.additive and one.kind == "json")


class ArmRow:
    """The newest readings of an arm as one row, for the terminal and Prometheus."""

    def __init__(self) -> None:
        self._sums = ProcessSums()

    def join(self, rows: Sequence[Row]) -> Row:
        """Return the rows of one tick, one for each process, as one.

        What does not add up is that of the first process, but the delay of the event loop is the longest.
        """
        joined = dict(rows[0])
        joined |= self._sum("", {row["life"]: {name: row.get(name) for name in _AMOUNTS} for row in rows})
        for column in _OBJECTS:
            joined[column] = self._sum(f"{column}.", {row["life"]: _object(row.get(column)) for row in rows})
        lags = [lag for row in rows if (lag := _number(row.get("loop_lag_ms"))) is not None]
        joined["loop_lag_ms"] = max(lags, default=None)
        return joined

    def _sum(self, prefix: str, cells: Mapping[object, Mapping[str, object]]) -> Row:
        """Return the sum of each reading by name; ``cells`` holds the readings of each process."""
        names = dict.fromkeys(name for readings in cells.values() for name in readings)
        return {
            name: self._sums.add(
                prefix + name, {life: _number(readings.get(name)) for life, readings in cells.items()}
            )
            for name in names
        }


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None
