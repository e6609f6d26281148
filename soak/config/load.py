"""Loading a profile: find the file by name or path, read it, apply ``key=value`` settings, check it."""

from __future__ import annotations

import copy
import difflib
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from soak.config.arm_settings import ArmSettings
from soak.config.needs import no_arm_for, without_effect
from soak.config.profile import Profile
from soak.config.sentences import FROM_THE_FILE, first_sentence, without_count
from soak.config.table import MOST_BYTES, TooDeepError, parse_toml, what_is_wrong
from soak.errors import UsageError
from soak.regular_files import read_regular, real_path

PROFILES: Final = Path(__file__).parents[1] / "profiles"
LONGEST_NAME: Final = 100
"""Length of a profile's name, bytes: run directories and control groups add up to 100 to it, and 255 are possible."""


def profile_names() -> list[str]:
    """Return the names of the profiles that come with soakproof."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load_profile(name: str, settings: Sequence[str] = (), arms: str = "") -> Profile:
    """Load a profile by its name or path, with ``key=value`` settings and a choice of its arms.

    ``arms`` are names separated by commas; by default all arms that are not optional. Raises UsageError for a profile
    that does not exist, is not TOML, has an unknown key or an invalid value, or lacks an arm.
    """
    path = _locate(name)
    table = _read(path)
    _rename_article(table, str(path))
    stages = [(str(path), table)]
    for setting in settings:
        table = copy.deepcopy(table)
        _apply(table, setting)
        if wrong := what_is_wrong(table):
            raise UsageError(f"--set {setting}: {wrong}.")
        _rename_article(table, f"--set {setting}")
        stages.append((f"--set {setting}", table))
    found = _checked(path, table)
    if isinstance(found, str):
        # what is wrong with the whole was brought in by the file, or by the first setting with which it appears
        place = next(
            place
            for place, stage in stages
            if without_count(str(_checked(path, stage))) == without_count(found)
        )
        raise UsageError(f"{place}: {found}")
    if (idle := without_effect([stage for _, stage in stages])) is not None:
        raise UsageError(f"{stages[idle[0]][0]}: {idle[1]}")
    chosen = _chosen(found.arms, arms)
    if shared := _shared_address(chosen):
        raise UsageError(f"{path}: {shared}.")
    return found.model_copy(update={"arms": chosen})


def _read(path: Path) -> dict[str, Any]:
    try:
        table = parse_toml(read_regular(path, MOST_BYTES, follow=True).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid TOML: {error}.") from error
    if wrong := what_is_wrong(table):
        raise UsageError(f"{path}: {wrong}.")
    return table


def _checked(path: Path, table: dict[str, Any]) -> Profile | str:
    """Return the profile of a table, or what is wrong with it."""
    if reserved := next((key for key in FROM_THE_FILE if key in table), ""):
        return f"unknown key '{reserved}': a profile's name is its file's."
    try:
        found = Profile(name=path.stem, directory=real_path(path.parent), **table)
    except ValidationError as error:
        return first_sentence(error)
    return no_arm_for(found) or found


def _chosen(known: dict[str, ArmSettings], wanted: str) -> dict[str, ArmSettings]:
    if not wanted:
        return {name: arm for name, arm in known.items() if not arm.optional} or known
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--arms {wanted}: no arm '{name}'; the profile has {', '.join(known)}.")
    return {name: known[name] for name in names}


def _shared_address(arms: Mapping[str, ArmSettings]) -> str:
    """Return which arms run at one address, and why that is wrong; empty for none."""
    places: dict[tuple[str, int], str] = {}
    for name, arm in arms.items():
        if arm.address and (other := places.setdefault(arm.address, name)) != name:
            return (
                f"arms.{other}.url and arms.{name}.url are the same address: one process would be loaded and read "
                "twice, and judged as two builds; give each arm its own, or run one of them by --arms"
            )
    return ""


def _deprecated(what: str) -> None:
    """Print that the name ``article`` of this is deprecated; the next version drops it."""
    print(f"{what} is deprecated; use incident.", file=sys.stderr)


def _rename_article(table: dict[str, Any], place: str) -> None:
    """Give the value of the key ``article`` to ``incident``."""
    if "article" in table:
        _deprecated(f"{place}: the key article")
        table["incident"] = table.pop("article")


def _locate(name: str) -> Path:
    if name == "article":
        _deprecated("The profile article")
        name = "incident"
    if name in profile_names():
        return PROFILES / f"{name}.toml"
    path = Path(name)
    if path.suffix == ".toml" and os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name too long
        if len(os.fsencode(path.stem)) > LONGEST_NAME or not path.stem.isprintable():
            raise UsageError(
                f"{path}: run directories are named after the profile; rename it to at most {LONGEST_NAME} bytes "
                "without control characters."
            )
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
        value, values = (parse_toml(f"value = {one}")["value"] for one in (text, f"[{text}]"))
        if values != [value]:
            value = text
    except tomllib.TOMLDecodeError:
        # a bare word, or a size such as 256 MiB, needs no quotes; what is a comment or a second line is of no value
        value = text
    except TooDeepError as error:
        raise UsageError(f"--set {setting}: {error}.") from None
    *parents, last = key.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {setting}: '{parent}' is a value, not a table.")
    table[last] = value
