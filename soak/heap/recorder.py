"""Takes the censuses of a run's targets on orders, in a process of its own: ``python -m soak.heap.recorder``.

An order is a line of JSON on standard input, ``{"phase": …, "rung": …, "targets": [[arm, pid, life], …]}``. What is
counted goes to the files of the run directory; the answer is a line that begins with CENSUS_TAKEN.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soak import contract
from soak.array_cache import fill_array_cache
from soak.contract.clock import RunClock
from soak.errors import SoakError
from soak.heap.census import take_census
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.growth import HeapHistory
from soak.heap.model import Census
from soak.recording.csv_writer import CsvWriter, Row

RECORDED_OVER: Final = 100
"""Length from which containers are recorded: a list of sessions may leak long before it has a thousand."""


@dataclass(frozen=True, slots=True)
class _Files:
    census: CsvWriter
    containers: CsvWriter


class CensusRecorder:
    """Carries out the orders of one run."""

    def __init__(
        self, run_directory: Path, clock: RunClock, take: Callable[..., Census] = take_census
    ) -> None:
        self._directory = run_directory
        self._clock = clock
        self._take = take
        self._files: dict[str, _Files] = {}
        self._lives: dict[tuple[int, int], HeapHistory] = {}

    def handle(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Take one census of each target; return its cost and, by pid, errors, suspects and cells of samples.csv.

        Of a Python whose collector is incremental the version is returned, too.

        A target that ended meanwhile is left out: its exit is recorded elsewhere. Raises HarnessError when the disk
        takes no more.
        """
        targets = [(str(arm), int(pid), int(life)) for arm, pid, life in order["targets"]]
        lives = [(pid, life) for _, pid, life in targets]  # another one may get the pid of one that is gone
        self._lives = {one: self._lives.get(one) or HeapHistory() for one in lives} | (
            self._lives if order["rung"] else {}  # the ladder goes from arm to arm
        )
        errors: dict[int, str] = {}
        suspects: dict[int, list[tuple[int, str, int]]] = {}
        cells: dict[int, Row] = {}
        incremental: dict[int, str] = {}
        cost_s = 0.0
        for arm, pid, life in targets:
            try:
                census = self._take(pid, containers_over=RECORDED_OVER)
            except ProcessGoneError:
                continue
            except HeapError as error:
                errors[pid] = str(error)
                continue
            cost_s += census.cost_s
            heap = self._lives[pid, life]
            heap.add(census, settled=bool(order["rung"]))
            of: Row = {"t_s": self._clock.now_s(), "arm": arm, "pid": pid, "life": life,
                       "phase": order["phase"], "rung": order["rung"]}  # fmt: skip
            self._write(arm, of, heap)
            suspects[pid] = [(one.address, one.type, one.length) for one in heap.suspects()]
            cells[pid] = _cells(census)
            if census.incremental_collector and census.release:
                incremental[pid] = census.release
        return {
            "cost_s": cost_s,
            "errors": errors,
            "suspects": suspects,
            "cells": cells,
            "incremental": incremental,
        }

    def close(self) -> None:
        """Close the files. Idempotent."""
        for files in self._files.values():
            files.census.close()
            files.containers.close()

    def _write(self, arm: str, of: Row, heap: HeapHistory) -> None:
        if arm not in self._files:
            directory = self._directory / arm
            self._files[arm] = _Files(
                CsvWriter(directory / contract.CENSUS, contract.CENSUS_COLUMNS),
                CsvWriter(directory / contract.CONTAINERS, contract.CONTAINER_COLUMNS),
            )
        files = self._files[arm]
        files.census.write_all(
            {**of, "type": one.name, "objects": one.objects, "bytes": one.bytes} for one in heap.types()
        )
        files.containers.write_all(
            {**of, "address": f"{one.address:#x}", "type": one.type, "length": one.length}
            for one in heap.containers()
        )


def _cells(census: Census) -> Row:
    """Return what a census reads for a row of samples.csv."""
    cells: Row = {"pool_free_bytes": census.pool_free_bytes}
    if census.collector is not None:
        cells["gc_gen2_collections"] = census.collector.full_collections
        cells["gc_collected"] = census.collector.collected
        cells["gc_uncollectable"] = census.collector.uncollectable
    return cells


def handle_orders(recorder: CensusRecorder, orders: Iterable[str], print_line: Callable[[str], None]) -> None:
    """Carry out order by order until there are no more."""
    for line in orders:
        print_line(f"{contract.CENSUS_TAKEN} {json.dumps(recorder.handle(json.loads(line)))}")


def main() -> int:
    """Record until standard input is closed; return 1 when the disk takes no more."""
    parser = argparse.ArgumentParser(prog="python -m soak.heap.recorder", description=__doc__)
    parser.add_argument("run_directory", type=Path)
    parser.add_argument(
        "--t0", type=float, required=True, help="the run's start on the monotonic clock, seconds"
    )
    options = parser.parse_args()
    os.nice(19)  # the targets and the load go first
    fill_array_cache()
    try:
        with closing(CensusRecorder(options.run_directory, RunClock(options.t0))) as recorder:
            handle_orders(recorder, sys.stdin, lambda line: print(line, flush=True))
    except SoakError as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
