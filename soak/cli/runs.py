"""The runs of a directory with status, sign-off and verdicts, from their manifests and summaries."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from soak.contract import LOAD, MANIFEST, REPORT, SUMMARY, verdict_name
from soak.contract.hashes import first_difference, outdated_report
from soak.contract.units import clock_text
from soak.errors import UsageError, message_line, printable
from soak.regular_files import read_json

COMPLETE_RUN: Final = {"run_id": str, "profile": str, "started_wall_time": str, "status": str}
"""Keys of a manifest that a listed run must have, with their types."""
LONGEST_S: Final = 1e12
"""Duration of the longest load that is listed, seconds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One run directory; empty and None for what is not known."""

    run: str
    """The directory's name."""
    profile: str = ""
    started: str = ""
    """Wall time, ISO 8601."""
    load_s: float | None = None
    """Duration of the load, seconds; the planned duration of a run without a report."""
    status: str = ""
    """running, complete, interrupted or failed; broken for a directory that cannot be read."""
    decision: str = ""
    """signed, failed, inconclusive, refused or none; of a run without a report nothing, of one that was changed
    inconclusive."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """Verdict by arm."""
    note: str = ""
    """The reason why something of it is missing."""


def list_runs(runs: Path) -> tuple[Listed, ...]:
    """Return the run directories in ``runs``, newest first as their names sort; raises UsageError without it."""
    if not runs.is_dir():
        raise UsageError(f"{runs}: no such directory; give the directory of the runs with --runs.")
    try:
        places = [path for path in runs.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError as error:
        raise UsageError(f"{runs}: cannot be read ({error.strerror}); make it readable.") from None
    return tuple(_listed(path) for path in sorted(places, reverse=True) if not path.name.startswith("."))


def listing_table(listed: tuple[Listed, ...], runs: Path) -> RenderableType:
    """Return the runs for the terminal."""
    if not listed:
        return Text(f"No run in {runs}.")
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name in ("run", "profile", "started (UTC)", "load", "status", "decision"):
        table.add_column(name, no_wrap=True, justify="right" if name == "load" else "left")
    table.add_column("verdicts", overflow="fold", min_width=24)
    for one in listed:
        verdicts = [f"{arm}: {verdict_name(verdict)}" for arm, verdict in one.verdicts.items()]
        load = "" if one.load_s is None else clock_text(one.load_s, hours=True)
        cells = (one.run, one.profile, one.started[:16].replace("T", " "), load, one.status)
        outcome = (one.decision, "\n".join([*verdicts, *([one.note] if one.note else [])]))
        table.add_row(
            *(Text(message_line(cell)) for cell in cells), *(Text(printable(part)) for part in outcome)
        )
    return table


def listing_json(listed: tuple[Listed, ...]) -> str:
    """Return the same for programs: a list of objects with the fields of Listed."""
    return json.dumps([asdict(one) for one in listed], indent=1)


def _listed(directory: Path) -> Listed:
    manifest, why = _read(directory / MANIFEST)
    wrong = next((key for key, kind in COMPLETE_RUN.items() if not isinstance(manifest.get(key), kind)), None)
    if why or wrong:
        return Listed(directory.name, status="broken", note=why or f"{MANIFEST} has no usable {wrong}")
    status = manifest["status"]
    known = Listed(
        directory.name,
        manifest["profile"],
        manifest["started_wall_time"],
        _seconds(manifest.get("planned_load_s")) or None,
        status,
    )
    if changed := first_difference(directory):
        return replace(known, decision="inconclusive", note=changed)
    summary, why = _read(directory / REPORT / SUMMARY)
    if why:
        return replace(known, note=why if os.path.lexists(directory / REPORT / SUMMARY) else "no report")
    if outdated := outdated_report(status, summary.get("status")):
        return replace(known, note=outdated)
    try:
        loads = [phase["end_s"] - phase["start_s"] for phase in summary["phases"] if phase["name"] == LOAD]
        return replace(
            known,
            load_s=_seconds(loads[-1]) if loads else None,
            decision=str(summary["signoff"]["decision"]),
            verdicts={str(one["arm"]): str(one["verdict"]) for one in summary["verdicts"]},
        )
    except (KeyError, TypeError) as error:
        return replace(known, note=f"{REPORT}/{SUMMARY} is not the summary of a report ({error})")


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a JSON file, or why there is none."""
    name = path.name if path.parent.name != REPORT else f"{REPORT}/{path.name}"
    try:
        content = read_json(path)
    except FileNotFoundError:
        return {}, f"{name} is missing"
    except (OSError, ValueError) as error:
        return {}, f"{name} is not readable ({error.strerror if isinstance(error, OSError) else error})"
    return (content, "") if isinstance(content, dict) else ({}, f"{name} is no JSON object")


def _seconds(value: object) -> float | None:
    """Return a duration; None for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= LONGEST_S else None
