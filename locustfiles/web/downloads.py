"""Reports and recordings of this run and earlier ones, to be opened from Locust's web UI."""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import gevent
from flask import Blueprint, Flask, Response, abort, make_response, render_template_string
from locust.web import WebUI

from soak import contract

ADDRESS: Final = "/soak/files"
TEMPLATE: Final = Path(__file__).parent / "static" / "files.html"
OF_REPORT: Final = frozenset({".html", ".md", ".csv", ".json", ".xml", ".png", ".svg"})
OF_RUN: Final = frozenset({contract.MANIFEST, contract.EVENTS, contract.SUMS})
MOST_RUNS: Final = 100
MOST_SUMMARY_BYTES: Final = 1 << 24
PART_BYTES: Final = 1 << 16
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A report loads nothing and runs nothing."""

View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Listed:
    """One run to be looked into."""

    name: str
    decision: str
    """signed, failed, inconclusive or refused; empty without a report."""
    report: tuple[str, ...]
    recording: tuple[str, ...]
    """Paths of files within the run directory."""


class Downloads:
    """Lists the runs beside this one, and serves what is listed: nothing else is ever opened."""

    def __init__(self, run_directory: Path) -> None:
        self._runs = run_directory.parent

    def register(self, web_ui: WebUI) -> None:
        """Add the pages to the web UI, behind its login where it has one."""
        routes = Blueprint("soak_files", __name__, url_prefix=ADDRESS)
        login = cast(Callable[[View], View], web_ui.auth_required_if_enabled)

        @routes.route("")
        @login
        def index() -> Response:
            return make_response(render_template_string(TEMPLATE.read_text(), runs=listed_runs(self._runs)))

        @routes.route("/<run>/<path:name>")
        @login
        def file(run: str, name: str) -> Response:
            path = find(self._runs, run, name)
            try:
                return abort(404) if path is None else _sent(path)
            except OSError:  # gone since it was listed
                abort(404)

        cast(Flask, web_ui.app).register_blueprint(routes)


def listed_runs(runs: Path) -> list[Listed]:
    """Return the runs of a directory that can be looked into, the newest first, MOST_RUNS at most."""
    directories = sorted(_run_directories(runs), key=lambda path: path.name, reverse=True)[:MOST_RUNS]
    return [_listed(directory) for directory in directories]


def find(runs: Path, run: str, name: str) -> Path | None:
    """Return a file that is listed; None for everything else. The names are compared, never opened."""
    for directory in _run_directories(runs):
        if directory.name == run:
            one = _listed(directory)
            return directory / name if name in {*one.report, *one.recording} else None
    return None


def _sent(path: Path) -> Response:
    file = path.open("rb")
    size = os.fstat(file.fileno()).st_size
    kind, _ = mimetypes.guess_type(path.name)
    response = Response(parts(file, size), mimetype=kind or "application/octet-stream")
    response.call_on_close(file.close)
    response.content_length = size
    response.cache_control.no_cache = True
    if path.suffix in {".csv", ".hlog"}:
        response.headers.set("Content-Disposition", "attachment", filename=path.name)
    if path.suffix in {".html", ".svg"}:
        response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response


def parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of a file, a part at a time.

    A recording grows meanwhile: what is beyond the announced length would be taken for the next answer's head.
    """
    while size > 0 and (part := file.read(min(size, PART_BYTES))):
        size -= len(part)
        yield part
        gevent.sleep(0)  # a fast reader never blocks us, and the load needs its turn


def _run_directories(runs: Path) -> list[Path]:
    try:
        found = list(runs.iterdir())
    except OSError:
        return []
    return [path for path in found if not path.is_symlink() and (path / contract.MANIFEST).is_file()]


def _listed(directory: Path) -> Listed:
    report = _files(directory / contract.REPORT, lambda path: path.suffix in OF_REPORT)
    arms = [path for path in _children(directory) if path.is_dir() and (path / contract.SAMPLES).is_file()]
    recording = [*_files(directory, lambda path: path.name in OF_RUN)]
    recording += [file for arm in arms for file in _files(arm, lambda path: path.suffix in {".csv", ".hlog"})]
    return Listed(
        directory.name,
        _decision(directory / contract.REPORT / contract.SUMMARY),
        tuple(path.relative_to(directory).as_posix() for path in report),
        tuple(path.relative_to(directory).as_posix() for path in recording),
    )


def _files(directory: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    return [
        path for path in _children(directory) if wanted(path) and path.is_file() and not path.is_symlink()
    ]


def _children(directory: Path) -> list[Path]:
    try:
        return [] if directory.is_symlink() else sorted(directory.iterdir())
    except OSError:  # not there, or no directory
        return []


def _decision(summary: Path) -> str:
    try:
        if summary.stat().st_size > MOST_SUMMARY_BYTES:
            return ""
        return str(json.loads(summary.read_text())["signoff"]["decision"])
    except (OSError, ValueError, KeyError, TypeError):  # no report yet, or one half-written
        return ""
