"""Whether two recordings made apart may be compared."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from analysis.recording.manifest import Manifest

HOST_KEYS: Final = ("machine", "cpus", "kernel", "libc")
MEMORY_WITHIN: Final = 0.01
"""Share of the host's memory by which two hosts may differ: a kernel reserves more or less at each boot."""
LOAD_TABLES: Final = ("traffic", "stubs", "scale")
PHASE_KEYS: Final = ("warmup_s", "load_s")
DEFAULTS: Final = {"traffic.mix": "random"}
"""Values of keys that earlier versions did not have, and that changed nothing."""
LIMIT_KEYS: Final = ("memory", "restart_delay_s", "max_restarts")
SAMPLING_KEYS: Final = ("every_s", "quiesce_every_s", "quiesce_pause_s")


def differences(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """Return what makes two runs not comparable, each as ``name: this, that``; empty when nothing does.

    Host, Python, the conditions, and engine and place of the candidates must be the same. The schemas may differ: every
    schema that is read gives the same columns.
    """
    found = [_difference("Python", first.python, second.python)]
    found += [_difference(f"host {key}", first.host.get(key), second.host.get(key)) for key in HOST_KEYS]
    sizes = [manifest.host.get("memory_bytes") or 0 for manifest in (first, second)]
    if abs(sizes[0] - sizes[1]) > MEMORY_WITHIN * max(sizes):
        found.append(_difference("host memory_bytes", *sizes))
    mine, other = conditions(first), conditions(second)
    found += [_difference(name, mine.get(name), other.get(name)) for name in {**mine, **other}]
    found.append(_difference("engine of the candidate", _engine(first), _engine(second)))
    found.append(_difference("place of the candidate", _place(first), _place(second)))
    return tuple(sentence for sentence in found if sentence)


def conditions(manifest: Manifest) -> dict[str, object]:
    """Return under which conditions a run is made, by name.

    They are its traffic with seed, shape and the content of its locustfile, stubs, phases, limits, and the rhythm of
    samples and quiesce points.
    """
    found: dict[str, object] = {}
    for name in LOAD_TABLES:
        table = {key: _without_defaults(value) for key, value in _table(manifest, name).items()}
        found |= {
            f"{name}.{key}": value
            for key, value in sorted(table.items())
            if value != DEFAULTS.get(f"{name}.{key}")
        }
    found["sha256 of traffic.locustfile"] = manifest.locustfile_sha256
    for name, keys in (("phases", PHASE_KEYS), ("limit", LIMIT_KEYS), ("sampling", SAMPLING_KEYS)):
        table = _table(manifest, name)
        found |= {f"{name}.{key}": table.get(key) for key in keys}
    return found


def _without_defaults(value: object) -> object:
    """Return a list of tables without what is not set: an earlier version may have had no such key."""
    if not isinstance(value, list):
        return value
    return [
        {key: one for key, one in entry.items() if one not in (None, False, "")}
        if isinstance(entry, dict)
        else entry
        for entry in value
    ]


def conditions_sha256(manifest: Manifest) -> str:
    """Return a digest of the conditions, and of Python, host, engine and place of the candidate, for a history of runs.

    The kernel is not in it: it changes with every update of a host.
    """
    host = {key: manifest.host.get(key) for key in HOST_KEYS if key != "kernel"}
    where = {"python": manifest.python, "host": host, "engine": _engine(manifest), "place": _place(manifest)}
    text = json.dumps(conditions(manifest) | where, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def same_build(first: Manifest, second: Manifest) -> str:
    """Return the build of both candidates, where it is one and the same; empty where it is not, or not known."""
    builds = {manifest.candidate_arm and manifest.candidate_arm.build for manifest in (first, second)}
    return (builds.pop() or "") if len(builds) == 1 else ""


def _engine(manifest: Manifest) -> str | None:
    """Return the engine that ran the candidate, None for a command: memory is charged otherwise in a container."""
    candidate = manifest.candidate_arm
    return candidate.image.engine if candidate and candidate.image else None


def _place(manifest: Manifest) -> str:
    """Return where the candidate ran: elsewhere it is judged by RSS alone, as it states it."""
    candidate = manifest.candidate_arm
    return "elsewhere" if candidate and candidate.url else "this machine"


def _table(manifest: Manifest, name: str) -> dict[str, Any]:
    table = manifest.config.get(name)
    return table if isinstance(table, dict) else {}


def _difference(name: str, first: object, second: object) -> str:
    return "" if first == second else f"{name}: {_text(first)}, {_text(second)}"


def _text(value: object) -> str:
    return "not set" if value is None else str(value)
