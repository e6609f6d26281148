from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from locustfiles.schedule.plan_file import TrafficFileError, read_traffic
from soak.contract import Traffic


def _error(path: Path) -> str:
    with pytest.raises(TrafficFileError) as refused:
        read_traffic(path)
    return str(refused.value)


def test_a_good_file(make_traffic: Callable[..., Traffic], tmp_path: Path) -> None:
    """What the run wrote is what the load reads."""
    path = tmp_path / "traffic.json"
    path.write_text(make_traffic().to_json())
    assert read_traffic(path) == make_traffic()


def test_no_file(tmp_path: Path) -> None:
    """A missing file is named, with who writes it."""
    path = tmp_path / "traffic.json"
    assert _error(path) == f"{path}: No such file or directory; `soak run` writes this file"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "traffic plan of schema 99, this is 2"),
        ({"load_s": 0}, "load_s is 0; it must be a number above 0"),
        ({"rate_rps": -1.5}, "rate_rps is -1.5; it must be a number from 0"),
        ({"users_per_arm": "many"}, "users_per_arm is 'many'; it must be a number above 0"),
        ({"arms": {}}, "arms is {}; it must give at least one arm its URL"),
        ({"services": []}, "services is empty; it must name at least one"),
        ({"shape": "spike"}, "shape 'spike' is unknown; it is one of steady, incident, diurnal, steps"),
        ({"arms": ["leaky"]}, "arms is ['leaky']; it must give at least one arm its URL"),
        (
            {"shape": "incident", "incident": None},
            "shape incident needs the key incident; give it, or take the shape steady",
        ),
    ],
)  # fmt: skip
def test_bad_values(
    make_traffic: Callable[..., Traffic], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """A value that makes no sense is one line with the file, the key and what it must be."""
    path = tmp_path / "traffic.json"
    path.write_text(json.dumps(json.loads(make_traffic().to_json()) | change))
    assert _error(path) == f"{path}: {message}"


@pytest.mark.parametrize("key", ["seed", "services", "schema_version"])
def test_missing_keys(make_traffic: Callable[..., Traffic], tmp_path: Path, key: str) -> None:
    """A key that is missing is named."""
    fields = json.loads(make_traffic().to_json())
    del fields[key]
    path = tmp_path / "traffic.json"
    path.write_text(json.dumps(fields))
    assert f"'{key}'" in _error(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null"])
def test_no_plan_at_all(tmp_path: Path, text: str) -> None:
    """Text that is no plan is refused with the file's name, in one line."""
    path = tmp_path / "traffic.json"
    path.write_text(text)
    message = _error(path)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
