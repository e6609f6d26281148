"""The cases: what leaks in which release, as their folders say it, and what leaks in which allocator."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

CASES: Final = Path(__file__).parent / "cases"
ALLOCATORS: Final = Path(__file__).parent / "allocators"
ALLOCATORS_PYTHON: Final = "3.12"
ALLOCATORS_RPS: Final = 50.0
KEPT: Final = 3
"""A leak in an allocator is as many times its margin."""

LOAD_KEYS: Final = ("warmup_requests", "max_requests", "max_rps", "max_leak")
"""Of case.toml, optional: as the fields of a case."""

Kind = Literal["leaky", "fixed", "healthy"]


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a case, and what the harness must find of it."""

    kind: Kind
    requirements: Path
    known: float
    """RSS, bytes per request, as it was measured by a plain line."""
    arguments: tuple[str, ...] = ()
    """Of the app, after the port."""
    may_be_undecided: bool = False

    def is_right(self, verdict: str) -> bool:
        """Whether this verdict is the truth, or leaves open what may be left open."""
        if verdict == "inconclusive":
            return self.may_be_undecided
        return verdict == ("leak" if self.kind == "leaky" else "no_leak")


@dataclass(frozen=True, slots=True)
class Case:
    """A leak and its fix or healthy twin, or a healthy app that looks like a leak."""

    name: str
    app: Path
    """The program that serves it; its first argument is the port."""
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
    lines: tuple[str, ...] = ()
    """Where Python allocates what leaks: what the first site has in its line, or in its task; one of them. Empty where
    Python allocates none of it."""
    native_lines: tuple[str, ...] = ()
    """The same of the native pass; empty where no native code allocates or keeps it."""
    max_leak: str = ""
    """The margin; empty for the least that a load can clear."""
    limit: str = ""
    """Memory limit of each arm; empty for none."""
    preload: str = ""
    """The malloc of the process, a shared library; empty for the system's."""
    package: str = ""
    """The Debian package that has the preload."""


def release_cases() -> list[Case]:
    """Return the cases of releases, by name."""
    return [_release_case(path.parent) for path in sorted(CASES.glob("*/case.toml"))]


def _release_case(directory: Path) -> Case:
    facts = tomllib.loads((directory / "case.toml").read_text(encoding="utf-8"))
    kinds: tuple[tuple[Kind, str], ...] = (
        (("leaky", "leaky"), ("fixed", "fixed")) if facts["kind"] == "leak" else (("healthy", "app"),)
    )
    arguments = facts.get("arguments", {})
    return Case(
        name=directory.name,
        app=directory / "app.py",
        python=facts["python"],
        leak_class=facts.get("class", ""),
        releases=tuple(
            Release(
                kind,
                directory / f"requirements-{'app' if word in arguments else word}.txt",
                facts["measured"][word],
                tuple(arguments.get(word, ())),
                may_be_undecided=kind == "healthy",
            )
            for kind, word in kinds
        ),
        kinds=tuple(facts.get("kinds", ())),
        holder=facts.get("holder", ""),
        lines=tuple(facts.get("lines", ())),
        native_lines=tuple(facts.get("native_lines", ())),
        **{key: facts[key] for key in LOAD_KEYS if key in facts},
    )


def allocator_cases() -> list[Case]:
    """Return the cases of allocators, in the order of their table."""
    tables = tomllib.loads((ALLOCATORS / "cases.toml").read_text(encoding="utf-8"))
    return [_allocator_case(name, facts) for name, facts in tables.items()]


def _allocator_case(name: str, facts: Mapping[str, Any]) -> Case:
    size = facts["bytes"]
    kinds: tuple[Kind, ...] = ("healthy",) if facts.get("healthy") else ("leaky", "healthy")
    return Case(
        name=name,
        app=ALLOCATORS / "app.py",
        python=ALLOCATORS_PYTHON,
        leak_class="" if facts.get("healthy") else facts["place"],
        releases=tuple(
            Release(
                kind,
                ALLOCATORS / facts.get("requirements", "requirements.txt"),
                size if kind == "leaky" else 0.0,
                (facts["place"], str(size), str(int(kind == kinds[0])), str(facts.get("transient", 30_000))),
                may_be_undecided=True,
            )
            for kind in kinds
        ),
        warmup_requests=500,
        max_rps=ALLOCATORS_RPS,
        max_leak=f"{size // KEPT} B/request",
        kinds=tuple(facts.get("kinds", ())),
        **{key: facts[key] for key in ("limit", "preload", "package") if key in facts},
    )
