"""The cases: what leaks in which release, as their folders say it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from soak.errors import UsageError

CASES: Final = Path(__file__).parent / "cases"

Kind = Literal["leaky", "fixed", "healthy"]


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a case, and what the harness must find of it."""

    kind: Kind
    requirements: Path
    known: float
    """RSS, bytes per request, as it was measured by a plain line."""

    def is_right(self, verdict: str) -> bool:
        """Whether this verdict is the truth; a healthy app that looks like a leak may stay undecided."""
        if self.kind == "leaky":
            return verdict == "leak"
        return verdict == "no_leak" if self.kind == "fixed" else verdict in ("no_leak", "inconclusive")


@dataclass(frozen=True, slots=True)
class Case:
    """A leak that was and its fix, or a healthy app that looks like a leak."""

    name: str
    python: str
    """Such as "3.12"."""
    leak_class: str
    """Empty for a healthy app."""
    releases: tuple[Release, ...]
    warmup_requests: int = 2000
    max_requests: int | None = None
    """More would need more memory or descriptors than a machine may have."""
    max_rps: float | None = None
    kinds: tuple[str, ...] = ()
    """What the report may call it; several where the leak is several things at once."""
    holder: str = ""
    """A part of the path that holds it; empty where no Python object does, or none that has a name."""

    @property
    def app(self) -> Path:
        """The program that serves it; its one argument is the port."""
        return CASES / self.name / "app.py"


def names() -> list[str]:
    """Return the names of all cases, sorted."""
    return sorted(path.parent.name for path in CASES.glob("*/case.toml"))


def load_case(name: str) -> Case:
    """Read a case; raises UsageError where there is none of that name."""
    directory = CASES / name
    if name not in names():
        raise UsageError(f"No case '{name}': give some of {', '.join(names())}.")
    facts = tomllib.loads((directory / "case.toml").read_text(encoding="utf-8"))
    kinds: tuple[tuple[Kind, str], ...] = (
        (("leaky", "leaky"), ("fixed", "fixed")) if facts["kind"] == "leak" else (("healthy", "app"),)
    )
    return Case(
        name=name,
        python=facts["python"],
        leak_class=facts.get("class", ""),
        releases=tuple(
            Release(kind, directory / f"requirements-{word}.txt", facts["measured"][word])
            for kind, word in kinds
        ),
        kinds=tuple(facts.get("kinds", ())),
        holder=facts.get("holder", ""),
        **{key: facts[key] for key in ("warmup_requests", "max_requests", "max_rps") if key in facts},
    )
