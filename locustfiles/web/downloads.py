"""Serves reports and recordings of this run and earlier ones in Locust's web UI."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import gevent
from flask import Blueprint, Flask, Response, abort, make_response, render_template_string
from gevent.lock import BoundedSemaphore
from locust.web import WebUI

from soak import contract
from soak.contract.hashes import first_difference, outdated_report
from soak.regular_files import open_regular, read_json

FILES_ADDRESS: Final = "/soak/files"
FILES_PAGE: Final = Path(__file__).parent / "static" / "files.html"
REPORT_SUFFIXES: Final = frozenset({".html", ".md", ".csv", ".json", ".xml", ".png", ".svg"})
RUN_FILES: Final = frozenset({contract.MANIFEST, contract.EVENTS, contract.SUMS, contract.STATEMENT})
MOST_RUNS: Final = 100
PART_BYTES: Final = 1 << 16
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Content security policy of a report: it loads nothing and runs nothing."""

_CHECKING: Final = BoundedSemaphore()
"""Held by the view that compares recordings with their hashes: one at a time, beside a load."""

View = Callable[..., Response]
"""A function that answers a request of the web UI."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run and its files that are served."""

    name: str
    decision: str
    """Decision of the sign-off: signed, failed, inconclusive or refused; empty without a report, inconclusive of a
    recording that was changed."""
    changed: str
    """How the recording differs from its SHA256SUMS, a clause; empty where it does not."""
    report: tuple[str, ...]
    """Files of the report, relative to the run directory."""
    recording: tuple[str, ...]
    """Files of the recording, relative to the run directory."""


class Downloads:
    """Lists the runs beside this one, and serves the listed files; no other file is ever opened."""

    def __init__(self, run_directory: Path) -> None:
        self._runs = run_directory.parent

    def register(self, web_ui: WebUI) -> None:
        """Add the pages to the web UI, behind its login where it has one."""
        routes = Blueprint("soak_files", __name__, url_prefix=FILES_ADDRESS)
        login = cast(Callable[[View], View], web_ui.auth_required_if_enabled)

        @routes.route("")
        @login
        def index() -> Response:
            return make_response(render_template_string(FILES_PAGE.read_text(), runs=listed_runs(self._runs)))

        @routes.route("/<run>/<path:name>")
        @login
        def file(run: str, name: str) -> Response:
            path = find_listed(self._runs, run, name)
            try:
                return abort(404) if path is None else _sent(path)
            except OSError:  # gone since it was listed
                abort(404)

        cast(Flask, web_ui.app).register_blueprint(routes)


def listed_runs(runs: Path) -> list[ListedRun]:
    """Return the runs of a directory, newest first, MOST_RUNS at most."""
    directories = sorted(_run_directories(runs), key=lambda path: path.name, reverse=True)[:MOST_RUNS]
    with _CHECKING:
        return [_checked(directory) for directory in directories]


def find_listed(runs: Path, run: str, name: str) -> Path | None:
    """Return the path of a listed file; None for any other. The names are compared, never opened."""
    for directory in _run_directories(runs):
        if directory.name == run:
            report, recording = _served(directory)
            return directory / name if name in {*report, *recording} else None
    return None


def _sent(path: Path) -> Response:
    file = open_regular(path)
    size = os.fstat(file.fileno()).st_size
    kind, _ = mimetypes.guess_type(path.name)
    response = Response(parts(file, size), mimetype=kind or "application/octet-stream")
    response.call_on_close(file.close)
    response.content_length = size
    response.cache_control.no_cache = True
    if path.suffix in {".csv", ".hlog"}:
        response.headers.set("Content-Disposition", "attachment", filename=path.name)
    if path.suffix in {".html", ".svg", ".xml"}:  # a browser runs the scripts in any of them
        response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response


def parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of a file, a part at a time.

    A recording grows meanwhile: bytes beyond the announced length would be read as the head of the next answer.
    """
    while size > 0 and (part := file.read(min(size, PART_BYTES))):
        size -= len(part)
        yield part
        gevent.sleep(0)  # a fast reader never blocks this greenlet, and the load needs its turn


def _run_directories(runs: Path) -> list[Path]:
    try:
        found = list(runs.iterdir())
    except OSError:
        return []
    return [path for path in found if not path.is_symlink() and (path / contract.MANIFEST).is_file()]


def _served(directory: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files of the report and those of the recording, relative to the run directory."""
    report = _files(directory / contract.REPORT, lambda path: path.suffix in REPORT_SUFFIXES)
    arms = [path for path in _children(directory) if path.is_dir() and (path / contract.SAMPLES).is_file()]
    recording = [*_files(directory, lambda path: path.name in RUN_FILES)]
    recording += [file for arm in arms for file in _files(arm, lambda path: path.suffix in {".csv", ".hlog"})]
    return (
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


def _decision(directory: Path) -> str:
    """Return the decision of the report; "" where that is older than the end of the run, as one of a load before it."""
    try:
        summary = read_json(directory / contract.REPORT / contract.SUMMARY)
        status = read_json(directory / contract.MANIFEST)["status"]
        return "" if outdated_report(status, summary["status"]) else str(summary["signoff"]["decision"])
    except (OSError, ValueError, KeyError, TypeError):  # no report yet, or one half-written
        return ""


def _checked(directory: Path) -> ListedRun:
    """Return the run, whose decision does not stand where the recording differs from its hashes."""
    _give_turns()
    report, recording = _served(directory)
    decision = _decision(directory)
    changed = first_difference(directory, _give_turns)
    return ListedRun(directory.name, "inconclusive" if changed else decision, changed, report, recording)


def _give_turns() -> None:
    gevent.sleep(0)
