"""Small programs that leave their traces at points, as a target under replay does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from analysis.sites.naming import Namer
from analysis.sites.sources import Sources
from analysis.sites.traces import Group, read_groups

DRIVER = """
import asyncio, gc, marshal, sys, tracemalloc
tracemalloc.start(8)
import _tracemalloc
sys.path.insert(0, sys.argv[1])
import app

async def drive(raw, points, each):
    for point in range(points):
        for number in range(each):
            await asyncio.get_running_loop().create_task(app.answer(point * each + number))
        gc.collect()
        with open(f"{raw}/point-{point}.0.traces", "wb") as file:
            marshal.dump(_tracemalloc._get_traces(), file)

asyncio.run(drive(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def traced(
    directory: Path, app: str, points: int = 6, each: int = 100, python: str = sys.executable
) -> tuple[Group, ...]:
    """Run ``app``, a module with a coroutine ``answer``, and return its groups after each ``each`` requests."""
    site, raw = directory / "srv", directory / "raw"
    site.mkdir()
    raw.mkdir()
    (site / "app.py").write_text(dedent(app))
    (directory / "driver.py").write_text(DRIVER)
    command = [python, str(directory / "driver.py"), str(site), str(raw), str(points), str(each)]
    subprocess.run(command, check=True, timeout=60)
    return read_groups(raw, range(points), Namer(Sources(Path("/"))))
