"""Loading a profile: find the file by name or path, read it, apply ``key=value`` settings, check it."""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from soak.config.profile import ArmSettings, Profile
from soak.errors import UsageError

PROFILES: Final = Path(__file__).parents[1] / "profiles"
FROM_THE_FILE: Final = ("name", "directory")
"""Fields of a profile that its path sets, not its text."""


def profile_names() -> list[str]:
    """Return the names of the profiles that come with soakproof."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load_profile(name: str, settings: Sequence[str] = (), arms: str = "") -> Profile:
    """Load a profile by its name or path, with ``key=value`` settings and a choice of its arms.

    ``arms`` are names separated by commas; by default all arms that are not optional. Raises UsageError for a profile
    that does not exist, is not TOML, has an unknown key or an invalid value, or lacks an arm.
    """
    path = _locate(name)
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}.") from error
    _rename_article(table, path)
    for setting in settings:
        _apply(table, setting)
    _rename_article(table, path)
    for key in FROM_THE_FILE:
        if key in table:
            raise UsageError(f"{path}: unknown key '{key}': a profile's name is its file's.")
    try:
        profile = Profile(name=path.stem, directory=path.parent.resolve(), **table)
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_sentence(error)}") from error
    return profile.model_copy(update={"arms": _chosen(profile.arms, arms, path)})


def _chosen(known: dict[str, ArmSettings], wanted: str, path: Path) -> dict[str, ArmSettings]:
    if not wanted:
        return {name: arm for name, arm in known.items() if not arm.optional} or known
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"{path}: no arm '{name}'; it has {', '.join(known)}.")
    return {name: known[name] for name in names}


def _deprecated(what: str, instead: str) -> None:
    """Print that a name is deprecated; the next version drops it."""
    print(f"{what} is deprecated; use {instead}.", file=sys.stderr)


def _rename_article(table: dict[str, Any], path: Path) -> None:
    """Give the value of the key ``article`` to ``incident``."""
    if "article" in table:
        _deprecated(f"{path}: the key article", "incident")
        table["incident"] = table.pop("article")


def _locate(name: str) -> Path:
    if name == "article":
        _deprecated("The profile article", "incident")
        name = "incident"
    if name in profile_names():
        return PROFILES / f"{name}.toml"
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    near = difflib.get_close_matches(name, profile_names(), n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(
        f"No profile '{name}': give one of {', '.join(profile_names())}, or the path of a TOML file.{hint}"
    )


def _apply(table: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise UsageError(f"--set {setting}: give it as key=value, for example --set phases.load_s=60.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word, or a size such as 256 MiB, needs no quotes on a command line
    *parents, last = key.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {setting}: '{parent}' is a value, not a table.")
    table[last] = value


def _first_sentence(error: ValidationError) -> str:
    """Return the first fault with its key and, for an unknown key, the nearest valid one."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({error.error_count() - 1} more like this.)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _keys_beside(first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"valid here: {', '.join(known)}."
        return f"unknown key '{place}': {fix}{more}"
    if first["type"] == "missing":
        return f"'{place}' is missing.{more}"
    message = first["msg"].removeprefix("Value error, ")
    shown = (
        not isinstance(first["input"], dict) and "env" not in first["loc"]
    )  # what is in there may be secret
    given = f" (it is {first['input']!r})" if shown else ""
    at = f"'{place}': " if place else ""
    return f"{at}{message}{given}.{more}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Profile
    for part in location[:-1]:
        if (field := model.model_fields.get(str(part))) is not None:
            model = table_within(field.annotation) or model
    return [key for key in model.model_fields if key not in FROM_THE_FILE]


def table_within(annotation: object) -> type[BaseModel] | None:
    """Return the model in the type of a field: of a table, of one that may be left out, or of a table of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := table_within(part))), None)
