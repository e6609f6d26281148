"""A finished run, as far as its replay needs it: its profile again, and whether it would still run the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError

from soak import contract
from soak.config.arm_settings import ArmSettings
from soak.config.load import load_profile, profile_names
from soak.config.profile import Profile
from soak.config.sentences import first_sentence, table_within
from soak.errors import RecordingError, UsageError
from soak.plan.arm_plan import ArmPlan
from soak.plan.run_plan import RunPlan
from soak.process.named_files import digests, named_files
from soak.regular_files import read_json
from soak.supervisor.manifest import build_of, locustfile_sha256

OF_THIS_RUN: Final = frozenset({"t0_monotonic_s", "out_dir", "arms", "schema_version"})
"""Keys of traffic.json that differ between two runs of the same load."""
EXECUTED: Final = (("traffic", "locustfile"), ("replay", "memray"))
"""Keys of a profile, beside its arms, that name code which is executed."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run directory has of the run."""

    directory: Path
    manifest: Mapping[str, Any]
    traffic: Mapping[str, Any]

    @property
    def arms(self) -> Mapping[str, Mapping[str, Any]]:
        """The arms of its manifest by name."""
        return {str(arm["name"]): arm for arm in self.manifest["arms"]}

    @property
    def argv(self) -> Mapping[str, list[str]]:
        """The command line of each of its processes by name."""
        return {one["name"]: list(map(str, one["argv"])) for one in self.manifest["processes"]}

    @property
    def started_s(self) -> float:
        """When it began, seconds since 1970."""
        return datetime.fromisoformat(self.manifest["started_wall_time"]).timestamp()


def read_recorded(directory: Path) -> Recorded:
    """Read a finished run; raises RecordingError where it is none, and where its arms were not started by it."""
    try:
        manifest = read_json(directory / contract.MANIFEST)
        if isinstance(manifest, dict) and manifest.get("attached"):
            raise RecordingError(
                f"{directory}: its processes were attached to, and only what soak run started can be replayed."
            )
        found = Recorded(directory, manifest, read_json(directory / contract.TRAFFIC))
        complete = found.manifest["status"] == "complete"
        _ = found.arms, found.argv, found.started_s, found.traffic["arms"], found.manifest["config"]["name"]
    except OSError as error:
        raise RecordingError(
            f"{directory}: no run of soak run ({error.filename}: {error.strerror})."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{directory}: its manifest or {contract.TRAFFIC} is damaged ({error})."
        ) from None
    if not complete:
        raise RecordingError(f"{directory}: the run is not complete; a run that has ended can be replayed.")
    return found


def profile_of(recorded: Recorded) -> Profile:
    """Return the profile of a run as it was then, but for what is executed: that is of its file as it is now.

    A recording may come from anywhere, and no command of it is run: arms, locustfile and memray are those of the file.
    Raises UsageError where that is gone or part of the recording, or the profile cannot be used any more, and
    RecordingError for a damaged one.
    """
    config = recorded.manifest["config"]
    name = str(config["name"])
    path = str(recorded.manifest.get("profile_file") or (name if name in profile_names() else f"{name}.toml"))
    try:
        if os.path.dirname(path) and not os.path.isabs(path):  # noqa: PTH117, PTH120 - Path raises for a name too long
            raise UsageError(
                f"{recorded.directory}: its profile {path} may have come with it; a run names its profile by the whole "
                "path. Soak it again."
            )
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(recorded.directory)):
            raise UsageError(
                f"{recorded.directory}: its profile {path} is part of the recording; move it out."
            )
        table = _given(config, Profile)
        if path not in profile_names() and not os.path.exists(path):  # noqa: PTH110 - Path raises for a name too long
            raise UsageError(
                f"{recorded.directory}: its profile {path} is not there, and commands are those of the profile. "
                "Start the replay in the directory that has it, or put it back. Soak it again where it is lost."
            )
        today = load_profile(path, arms=",".join(table["arms"]))
        for part, key in EXECUTED:
            table.setdefault(part, {})[key] = getattr(getattr(today, part), key)
        return Profile(**{**table, "name": name, "directory": today.directory, "arms": today.arms})
    except ValidationError as error:
        raise UsageError(
            f"{recorded.directory}: its profile cannot be used any more: {first_sentence(error)}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(
            f"{recorded.directory}: the config of its manifest is damaged ({error})."
        ) from None


def _given(value: Mapping[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """Return a table as it was written, without what has its default: some keys exclude each other."""
    found = {}
    for name, one in value.items():
        written = one if name not in kind.model_fields else _written(one, kind.model_fields[name].annotation)
        if name not in kind.model_fields or written != _default(kind, name):
            found[name] = written
    return found


def _written(value: Any, annotation: Any) -> Any:
    """Return the value of a key as it was written; what is within it may have tables."""
    model = table_within(annotation)
    if model is None:
        return value
    if isinstance(value, list):
        return [_given(one, model) for one in value]
    if isinstance(value, dict) and any(
        get_origin(part) is dict for part in (annotation, *get_args(annotation))
    ):
        return {key: _given(one, model) for key, one in value.items()}
    return _given(value, model) if isinstance(value, dict) else value


def _default(kind: type[BaseModel], name: str) -> Any:
    """Return the default of a key as a manifest has it; a value of its own where there is none."""
    field = kind.model_fields[name]
    if field.is_required():
        return field
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        return {}
    return json.loads(json.dumps(default, default=str))


def differences(recorded: Recorded, plan: RunPlan, arm: str) -> Iterator[str]:
    """Yield what has changed since the run, clauses; nothing where the arm would run the same under the same load."""
    traffic = json.loads(plan.traffic.to_json())
    for key in sorted((recorded.traffic.keys() | traffic.keys()) - OF_THIS_RUN):
        if key in recorded.traffic and recorded.traffic[key] != traffic.get(key):
            yield f"{contract.TRAFFIC}: {key} is another"
    if recorded.manifest.get("locustfile_sha256") != locustfile_sha256(plan.traffic.locustfile):
        yield f"{plan.traffic.locustfile or 'its locustfile'} was changed"
    planned = next((one for one in plan.arms if one.name == arm), None)
    if planned is None or arm not in recorded.arms:
        yield f"the profile has no arm {arm} any more"
        return
    yield from _changed_settings(recorded, plan.profile, arm)
    then, now = recorded.argv, {process.name: list(process.argv) for process in plan.processes}
    urls_then = [*recorded.traffic["arms"].values(), *_stub_urls(then.get("stubs", []))]
    urls_now = [*plan.traffic.arms.values(), *([plan.stubs.url] if plan.stubs else [])]
    for name in filter(None, (arm if planned.container is None else "", "stubs" if plan.stubs else "")):
        if _without_ports(then.get(name, []), urls_then) != _without_ports(now[name], urls_now):
            yield f"the command of {name} is another"
    processes: list[Mapping[str, Any]] = recorded.manifest["processes"]
    names = [one["environment_names"] for one in processes if one["name"] == arm]
    if names != [planned.environment_names]:
        yield f"the names of its variables are others: {', '.join(planned.environment_names)}"
    yield from changed_code(recorded.arms[arm], planned)
    if unknown := _why_unknown(recorded, planned):
        yield unknown


def _changed_settings(recorded: Recorded, profile: Profile, arm: str) -> Iterator[str]:
    """Yield the keys of an arm that its profile has otherwise now; the values of variables are in no recording."""
    then = _given(recorded.manifest["config"]["arms"].get(arm, {}), ArmSettings)
    now = _given(profile.arms[arm].model_dump(mode="json", exclude={"env"}), ArmSettings)
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            yield f"arms.{arm}.{key} is another in {profile.directory / profile.name}.toml"


def changed_code(facts: Mapping[str, Any], arm: ArmPlan) -> Iterator[str]:
    """Yield how what an arm runs differs from the facts that its manifest has of it, as far as both are known."""
    before, build = facts.get("build"), build_of(arm)
    if before != build:
        yield f"it was built from {before or 'no revision'}, and now from {build or 'no revision'}"
    elif "image" not in facts and isinstance(files := facts.get("files"), dict):
        now = digests(arm.process.argv, arm.process.cwd) or {}
        for name in sorted(files.keys() | now.keys()):
            if files.get(name) != now.get(name):
                yield f"{name} was changed"


def _why_unknown(recorded: Recorded, arm: ArmPlan) -> str:
    """Return why nobody knows whether a command runs what it ran; empty where that is known."""
    facts, build = recorded.arms[arm.name], build_of(arm)
    files = facts.get("files")
    if "image" in facts or files or facts.get("build") != build or (build and not build.endswith("-dirty")):
        return ""
    if isinstance(files, dict):
        return "its command names no file, so that nobody knows what it runs"
    there = list(named_files(arm.process.argv, arm.process.cwd))
    newer = [file for file in there if file.stat().st_mtime > recorded.started_s]
    if newer:
        return f"{newer[0]} was changed after the run had begun"
    return "" if there else "the run recorded no digests of what it ran, and its command names no file"


def _without_ports(argv: list[str], urls: Iterable[object]) -> list[str]:
    """Return a command line with the ports of its own run's URLs replaced by a word: each run takes free ones."""
    ports = {str(url).rpartition(":")[2] for url in urls}
    return [re.sub(r"\d+", lambda found: "PORT" if found[0] in ports else found[0], word) for word in argv]


def _stub_urls(argv: list[str]) -> list[str]:
    return [f":{port}" for word, port in pairwise(argv) if word == "--port"]
