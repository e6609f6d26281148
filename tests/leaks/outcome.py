"""What the harness said of a case, beside the truth."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.leaks.case import Case, Kind, Release
from tests.leaks.profile import ARMS

MOST_SKIPPED: Final = 0.25
"""Of the cases; with more, the result says too little."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Lines that a replay found."""

    count: int | None = None
    """Sites of the Python pass; None where it has not been made."""
    line: str = ""
    """Of the first site of the Python pass; empty where it has none."""
    native_line: str = ""
    """Of the first site of the native pass, with its function; empty where it has none."""
    line_right: bool | None = None
    """None where Python allocates none of the leak."""
    native_right: bool | None = None
    """None where no native code allocates or keeps it."""


NO_SITES: Final = Sites()


@dataclass(frozen=True, slots=True)
class Found:
    """One release, judged."""

    kind: Kind
    known: float
    verdict: str
    signal: str
    """The one that leads the verdict; empty where none could be judged."""
    rate: float | None
    """What leaks by that signal, bytes per request."""
    low: float | None
    high: float | None
    """Of its interval."""
    whole: float | None
    """By all memory in use, bytes per request."""
    right: bool
    sentence: str
    asked: str = ""
    """The malloc that answered the probe; empty where none did."""
    reserve: float | None = None
    """What of the upper end is memory that may be free, bytes per request."""
    undecided: str = ""
    """Why there is no verdict, as a code; empty where there is one."""
    what: str = ""
    """The kind of what grew most; empty where nothing did."""
    holder: str = ""
    """Who holds it."""
    kind_right: bool | None = None
    """None where nothing leaks."""
    holder_right: bool | None = None
    """None where no holder is known."""
    sites: Sites = NO_SITES
    """What its replay found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case; ``skipped`` or ``failed`` says why nothing was found."""

    case: Case
    found: tuple[Found, ...] = ()
    skipped: str = ""
    failed: str = ""

    @property
    def right(self) -> bool:
        """Whether every release was judged as it is."""
        return bool(self.found) and all(found.right for found in self.found)


def read_outcome(case: Case, summary: Path) -> Outcome:
    """Return what ``summary.json`` of the case's run says of its arms."""
    try:
        read = json.loads(summary.read_text())
        if case.limit and not read["limit_mechanism"].startswith("cgroup"):
            return Outcome(
                case, skipped="no memory cgroup is to be had: only its charge shows what no process maps"
            )
        verdicts = {verdict["arm"]: verdict for verdict in read["verdicts"]}
        grew = {one["arm"]: one["growers"] for one in read["grew"]}
        loads = {one["name"]: one["load"] for one in read["arms"]}
        return Outcome(
            case,
            tuple(
                replace(
                    _found(case, release, verdicts[arm], grew.get(arm, [])),
                    asked=_asked(summary.parents[1] / arm / "samples.csv"),
                    reserve=_per_request(verdicts[arm]["reserve_bytes"], loads[arm]["ok"]),
                    sites=read_sites(case, release, summary.parents[1], arm),
                )
                for arm, release in zip(ARMS, case.releases, strict=False)
            ),
        )
    except (OSError, ValueError, KeyError) as error:
        return Outcome(case, failed=f"{summary}: {error!r}")


def read_sites(case: Case, release: Release, run: Path, arm: str) -> Sites:
    """Return what the replay of an arm found: that of the run itself, or one made of it afterwards."""
    places = (run, *sorted(run.resolve().parent.glob(f"{run.resolve().name}-replay*")))
    tables = [place / arm / "sites.csv" for place in places if (place / arm / "sites.csv").exists()]
    if not tables:
        return NO_SITES if release.kind != "leaky" else _rightly(case, NO_SITES, "", "")
    with tables[-1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    python, native = (
        next((row for row in rows if row["pass"] == name), None) for name in ("python", "native")
    )
    sites = Sites(
        sum(row["pass"] == "python" for row in rows),
        _place(python),
        _place(native) + (f", by {native['function']}" if native and native["function"] else ""),
    )
    return sites if release.kind != "leaky" else _rightly(case, sites, _where(python), _where(native))


def _place(row: Mapping[str, str] | None) -> str:
    return "" if row is None else row["your_line"] or row["in_line"] or row["allocated_line"]


def _where(row: Mapping[str, str] | None) -> str:
    return "" if row is None else f"{_place(row)} {row['task']}"


def _rightly(case: Case, sites: Sites, python: str, native: str) -> Sites:
    return replace(
        sites,
        line_right=_has_one(case.lines, python),
        native_right=_has_one(case.native_lines, native),
    )


def _has_one(expected: Sequence[str], where: str) -> bool | None:
    """Whether one of the lines is named; a line's number is whole. None where none is expected."""
    return any(re.search(rf"{re.escape(one)}\b", where) for one in expected) if expected else None


def _found(
    case: Case, release: Release, verdict: Mapping[str, Any], growers: Sequence[Mapping[str, Any]]
) -> Found:
    signals = {one["signal"]: one for one in verdict["signals"]}
    rates = {name: one["per_request"] for name, one in signals.items()}
    leading = verdict["leading_signal"] or ""
    most = growers[0] if growers else {"kind": "", "name": ""}
    leaky = release.kind == "leaky"
    return Found(
        kind=release.kind,
        known=release.known,
        verdict=verdict["verdict"],
        signal=leading,
        rate=_value(rates.get(leading)),
        low=_value(rates.get(leading), "low"),
        high=_value(rates.get(leading), "high"),
        whole=_value(rates.get("held_bytes") or rates.get("own_bytes")),
        right=release.is_right(verdict["verdict"]),
        sentence=verdict["sentence"],
        undecided=_undecided(verdict["verdict"], signals.get(leading)),
        what=most["kind"],
        holder=most["name"],
        kind_right=most["kind"] in case.kinds if leaky else None,
        holder_right=case.holder in most["name"] if leaky and case.holder else None,
    )


def _value(rate: Mapping[str, float] | None, which: str = "value") -> float | None:
    return rate[which] if rate else None


def _undecided(verdict: str, leading: Mapping[str, Any] | None) -> str:
    if verdict != "inconclusive":
        return ""
    return leading["reason_code"] if leading and leading["verdict"] == verdict else "recording"


def _per_request(size_bytes: float | None, requests: int) -> float | None:
    return None if size_bytes is None or not requests else size_bytes / requests


def _asked(samples: Path) -> str:
    with samples.open(newline="") as file:
        named = {row["allocator"] for row in csv.DictReader(file)} - {""}
    return " ".join(sorted(named))


def _named(outcomes: Sequence[Outcome], name: str) -> list[bool | None]:
    return [getattr(found, name) for outcome in outcomes for found in outcome.found]


def too_many_skipped(outcomes: Sequence[Outcome]) -> bool:
    """Whether more were skipped than may be."""
    return sum(bool(outcome.skipped) for outcome in outcomes) > MOST_SKIPPED * len(outcomes)


def summary_line(outcomes: Sequence[Outcome]) -> str:
    """Return how it went, in one sentence for each thing that went wrong."""
    skipped = [outcome for outcome in outcomes if outcome.skipped]
    wrong = [outcome.case.name for outcome in outcomes if not outcome.skipped and not outcome.right]
    text = f"{len(outcomes) - len(skipped) - len(wrong)} of {len(outcomes)} cases right"
    if wrong:
        text += f"; wrong: {', '.join(wrong)}"
    for name in ("kind", "holder"):
        known = [right for right in _named(outcomes, f"{name}_right") if right is not None]
        if known:
            text += f"; {name} right in {sum(known)} of {len(known)} leaks"
    for name, told in (("line", "line_right"), ("native line", "native_right")):
        rights = [getattr(found.sites, told) for outcome in outcomes for found in outcome.found]
        known = [right for right in rights if right is not None]
        if known:
            text += f"; {name} named in {sum(known)} of {len(known)} leaks"
    counts = [
        found.sites.count
        for outcome in outcomes
        for found in outcome.found
        if found.kind != "leaky" and found.sites.count is not None
    ]
    if counts:
        text += f"; {sum(counts)} sites in {len(counts)} fixed releases and healthy apps"
    if skipped:
        text += f"; {len(skipped)} skipped"
    if too_many_skipped(outcomes):
        text += f", more than {MOST_SKIPPED:.0%}: that is a failure"
    return text + "."
