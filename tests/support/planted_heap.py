"""CensusScheduler of an arm's heap with a planted truth, written beside its samples as a run writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak import contract
from tests.support.planted_incident import LOAD_S, RPS, phase_at
from tests.support.run_directory import write_table

EVERY_S = 15.0
END_S = 200.0
DRAINED_S = 212.0


@dataclass(frozen=True)
class Container:
    """A container and how its length goes with the requests that its life has served."""

    address: int
    type: str
    length: Callable[[float], float]
    holder: str = ""
    """As the probe names it after the load; empty: it was never asked."""
    bytes_each: float = 0.0
    entries: Sequence[Mapping[str, Any]] = ()


def served(t_s: float, born_s: float = LOAD_S) -> float:
    """Return the requests that a life has answered until ``t_s``; see conftest."""
    return RPS * max(0.0, t_s - born_s)


def write_heap(
    arm_dir: Path,
    containers: Sequence[Container] = (),
    types: Mapping[str, tuple[Callable[[float], float], float]] | None = None,
    *,
    life: int = 1,
    born_s: float = LOAD_S,
    end_s: float = END_S,
    more_holders: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the three files of one life; ``types`` is, by name, the objects after some requests and bytes of each."""
    moments = [t for i in range(20) if (t := born_s + EVERY_S / 2 + i * EVERY_S) < end_s]
    rows = [
        {**_of(arm_dir, t, life), "address": hex(one.address), "type": one.type, "length": round(length)}
        for t in moments
        for one in containers
        if (length := one.length(served(t, born_s))) > 0
    ]
    if end_s == END_S:  # it met the drain
        drained = {"t_s": DRAINED_S, "phase": "quiesce", "rung": "drained"}
        rows += [
            {
                **_of(arm_dir, DRAINED_S, life),
                **drained,
                "address": hex(one.address),
                "type": one.type,
                "length": round(length),
            }
            for one in containers
            if (length := one.length(served(END_S, born_s))) > 0
        ]
    write_table(arm_dir / contract.CONTAINERS, rows)
    census = [
        {
            **_of(arm_dir, t, life),
            "type": name,
            "objects": round(count(served(t, born_s))),
            "bytes": round(each * count(served(t, born_s))),
        }
        for t in moments
        for name, (count, each) in {"builtins.str": (_flat, 70.0), **(types or {})}.items()
    ]
    write_table(arm_dir / contract.CENSUS, census)
    named: list[dict[str, Any]] = []
    for one in containers:
        if one.holder:
            length = round(one.length(served(end_s, born_s)))
            named.append(
                {
                    **_of(arm_dir, end_s, life),
                    "address": hex(one.address),
                    "type": one.type,
                    "length": length,
                    "holder": one.holder,
                    "retained_bytes": round(one.bytes_each * length),
                    "retained_whole": 0,
                    "entries": json.dumps(one.entries),
                }
            )
    named += [{**_of(arm_dir, end_s, life), **row} for row in more_holders]
    write_table(arm_dir / contract.HOLDERS, named)


def _flat(_: float) -> float:
    return 50_000.0


def _of(arm_dir: Path, t_s: float, life: int) -> dict[str, Any]:
    return {"t_s": t_s, "arm": arm_dir.name, "pid": 99 + life, "life": life, "phase": phase_at(t_s)}


STATE = "gateway.app.app.state.gateway"
FOUR_LEAKS = (
    Container(
        0x7F0000000010,
        "builtins.set",
        lambda n: 1.0 * n,
        f"{STATE}.background_tasks",
        1_300,
        [
            {
                "type": "_asyncio.Task",
                "state": "finished",
                "coroutine": "audit",
                "created": "gateway/leaky.py:57",
            }
        ],
    ),
    Container(
        0x7F0000000020,
        "builtins.list",
        lambda n: 110 + 0.01 * n,
        f"{STATE}.http_sessions",
        60_000,
        [{"type": "aiohttp.client.ClientSession", "bytes": 48}],
    ),
    Container(
        0x7F0000000030,
        "builtins.dict",
        lambda n: 1.0 * n,
        f"{STATE}.response_cache",
        4_000,
        [{"type": "builtins.str", "bytes": 81}, {"type": "builtins.dict", "bytes": 232}],
    ),
    Container(
        0x7F0000000040,
        "builtins.list",
        lambda n: 1.0 * n,
        f"{STATE}.request_history",
        22_000,
        [{"type": "builtins.dict", "bytes": 232}],
    ),
)
