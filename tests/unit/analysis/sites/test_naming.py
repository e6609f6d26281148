from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from analysis.sites.naming import Frame, Name, Namer, shown
from analysis.sites.sources import Sources

LIB = Path(asyncio.__file__).parent.parent
PACKAGE = ("/v/lib/python3.12/site-packages/aiohttp/client.py", 400)
PACKAGE_OUTER = ("/v/lib/python3.12/site-packages/uvicorn/protocols/http/httptools_impl.py", 411)
APP = ("/srv/app.py", 12)
MAIN = ("/srv/main.py", 40)
RUN = ("/v/lib/python3.12/site-packages/uvicorn/main.py", 593)


def library(name: str, text: str) -> Frame:
    """Return the frame of the first line with ``text`` in a file of this Python's standard library."""
    path = LIB / name
    lines = path.read_text().splitlines()
    return str(path), next(number for number, line in enumerate(lines, 1) if text in line)


STEP = (
    library("asyncio/events.py", "self._context.run("),
    library("asyncio/base_events.py", "handle._run()"),
    library("asyncio/base_events.py", "self._run_once()"),
)
DECODER = (str(LIB / "json/decoder.py"), 353)
PROBE = ("/opt/soak_probe/tracing.py", 50)


@pytest.fixture
def namer() -> Namer:
    return Namer(Sources(Path("/")))


def name_of(namer: Namer, *frames: Frame) -> Name:
    name = namer.name(frames)
    assert name is not None
    return name


def test_your_line_is_the_innermost_of_yours_and_the_package_line_below_it(namer: Namer) -> None:
    """Frames of the standard library are passed over; the package line is the one that allocates in the package."""
    name = name_of(namer, DECODER, PACKAGE, PACKAGE_OUTER, APP, PACKAGE_OUTER, MAIN)
    assert (name.yours, name.package) == (APP, PACKAGE)
    assert name_of(namer, DECODER, APP, PACKAGE).package is None


def test_what_is_outside_the_step_of_the_loop_is_left_out(namer: Namer) -> None:
    """Of what a framework retains, your line is not the one that runs the server; the root is the coroutine's."""
    name = name_of(namer, PACKAGE, PACKAGE_OUTER, *STEP, RUN, MAIN)
    assert (name.yours, name.package, name.root) == (None, PACKAGE, PACKAGE_OUTER)
    assert name_of(namer, PACKAGE, APP, DECODER, *STEP).root == APP
    assert name_of(namer, PACKAGE, APP).root is None


def test_a_call_into_the_loop_is_not_its_step(namer: Namer) -> None:
    """What a timer or a task costs is at the line that makes it, though asyncio's files make it."""
    made = (
        library("asyncio/events.py", "self._context = context"),
        library("asyncio/base_events.py", "handle = self._call_soon("),
    )
    assert name_of(namer, *made, APP, *STEP, MAIN).yours == APP
    task = library("asyncio/base_events.py", "def create_task(")
    assert name_of(namer, (task[0], task[1] + 9), APP).yours == APP


def test_a_loop_in_c_is_seen_by_the_line_that_runs_it(namer: Namer, tmp_path: Path) -> None:
    """uvloop has no frames: what its run is called from is no line of yours."""
    main = tmp_path / "main.py"
    main.write_text("import uvloop\n\nasync def serve(): ...\n\nuvloop.run(serve())\n")
    assert name_of(namer, PACKAGE, (str(main), 5)).yours is None
    assert name_of(namer, PACKAGE, (str(main), 3)).yours == (str(main), 3)


def test_what_the_probe_allocates_has_no_name(namer: Namer) -> None:
    """Its own objects are left out, not what runs below its frames; code without a file is passed over."""
    assert namer.name((DECODER, PROBE, APP)) is None
    assert name_of(namer, APP, PROBE).yours == APP
    assert name_of(namer, ("<string>", 3), APP).yours == APP
    assert name_of(namer, DECODER) == Name(None, None, None)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/srv/app/api/views.py", "api/views.py"),
        ("/v/lib/python3.12/site-packages/aiohttp/client.py", "aiohttp/client.py"),
        ("/usr/lib/python3/dist-packages/yaml/cyaml.py", "yaml/cyaml.py"),
        (json.__file__, "json/__init__.py"),
        ("/opt/lib/python3.13t/json/decoder.py", "json/decoder.py"),
        ("/srv/lib/python3-shop/app.py", "…/python3-shop/app.py"),
        ("/home/somebody/secret/project/lib/tools.py", "…/lib/tools.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("/srv/app/\x1b[31m\nred.py", "\\x1b[31m\\nred.py"),
        ("/a.py", "/a.py"),
    ],
)
def test_a_file_is_shown_within_its_package_or_the_working_directory(file: str, text: str) -> None:
    """Where else it is, is nobody's business: of other paths only the end is shown, and nothing a terminal obeys."""
    assert shown(file, "/srv/app") == text
    assert len(shown("/srv/app/" + "d/" * 5_000, "/srv/app")) <= 160
