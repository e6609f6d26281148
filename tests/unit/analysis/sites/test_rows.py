from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.sites.naming import Frame, Name
from analysis.sites.regression import GrowingGroup
from analysis.sites.rows import site_rows
from analysis.sites.sources import Sources
from analysis.sites.traces import Group

NOTHING = np.zeros(4)


def site(line: int, bytes_per_request: float, root: Frame | None = None) -> GrowingGroup:
    """Return a site at a line of /srv/app.py, in the coroutine that ``root`` is in."""
    frame = ("/srv/app.py", line)
    group = Group(Name(frame, None, root), (frame,), NOTHING, NOTHING, NOTHING)
    return GrowingGroup(group, bytes_per_request, bytes_per_request, bytes_per_request, 1.0)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "srv").mkdir()
    text = "async def serve():\n    await work()\n    return 1\n\ndef plain():\n    return 2\n"
    (tmp_path / "srv/app.py").write_text(text)
    return Sources(tmp_path, "/srv")


def test_small_parts_of_a_task_stay_where_the_task_matters(sources: Sources) -> None:
    """Three parts of 1% each are 3% of the leak; a line of 1% that is of no task, or of no coroutine, is left out."""
    roots = [("/srv/app.py", 2), ("/srv/app.py", 3), ("/srv/app.py", 2)]
    sites = [site(1, 900.0), *(site(10 + n, 10.0, root) for n, root in enumerate(roots))]
    sites += [site(20, 10.0), site(21, 10.0, ("/srv/app.py", 6))]
    rows = site_rows(sites, "python", sources, 1_000.0, tasks_leak=True)
    assert [(row.rank, row.your_line, row.task) for row in rows] == [
        (1, "app.py:1", ""),
        (2, "app.py:10", "serve (app.py)"),
        (3, "app.py:11", "serve (app.py)"),
        (4, "app.py:12", "serve (app.py)"),
    ]
    assert len(site_rows(sites, "python", sources, 10_000.0, tasks_leak=True)) == 1


def test_small_sites_of_a_line_of_yours_count_together(sources: Sources) -> None:
    """Thirty sites of 1% each below one line of yours are that line; one of 1% below another is none."""
    sites = [*(site(5, 10.0) for _ in range(30)), site(6, 10.0), site(7, 20.0)]
    rows = site_rows(sites, "python", sources, 1_000.0, tasks_leak=False)
    assert [row.your_line for row in rows] == ["app.py:5"] * 30 + ["app.py:7"]


def test_without_a_leak_of_tasks_no_row_has_one(sources: Sources) -> None:
    """A site is a row, with the source of your line and their share."""
    rows = site_rows([site(2, 500.0, ("/srv/app.py", 2))], "python", sources, 1_000.0, tasks_leak=False)
    assert [(row.task, row.source, row.share) for row in rows] == [("", "await work()", 0.5)]


def test_the_line_of_yours_that_retains_most_in_all_is_first(sources: Sources) -> None:
    """Two sites of 40 B at one line come before one of 60 B at another."""
    sites = [site(1, 60.0), site(2, 40.0), site(3, 45.0), site(2, 39.0)]
    rows = site_rows(sites, "python", sources, 200.0, tasks_leak=False)
    assert [(row.rank, row.your_line, row.bytes_per_request) for row in rows] == [
        (1, "app.py:2", 40.0),
        (2, "app.py:2", 39.0),
        (3, "app.py:1", 60.0),
        (4, "app.py:3", 45.0),
    ]


def test_of_equal_sites_those_of_yours_are_first(sources: Sources) -> None:
    """In their order: stacks of greenlets are of one size, whoever makes them."""
    package = Group(
        Name(None, ("/lib/site-packages/a.py", 1), None), (("/lib/a.py", 1),), NOTHING, NOTHING, NOTHING
    )
    sites = [GrowingGroup(package, 60.0, 60.0, 60.0, 1.0), site(3, 60.0), site(2, 60.0)]
    rows = site_rows(sites, "python", sources, 200.0, tasks_leak=False)
    assert [row.your_line for row in rows] == ["app.py:3", "app.py:2", ""]
