from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from locustfiles.schedule.plan_file import TrafficFileError, read_traffic
from soak.contract import SCHEMA_VERSION, Traffic

DIVISION_BY_ZERO = "float division by zero" if sys.version_info < (3, 14) else "division by zero"
"""The words of this Python for it."""


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
        ({"schema_version": 99}, f"planned load of schema 99, this is {SCHEMA_VERSION}"),
        (
            {"users_per_arm": "many"},
            "key users_per_arm: Input should be a valid integer, unable to parse string as an integer (it is 'many')",
        ),
        ({"load_s": 0}, "key load_s: Input should be greater than 0 (it is 0)"),
        ({"hour_s": 0}, "key hour_s: Input should be greater than 0 (it is 0)"),
        ({"rate_rps": -1.5}, "key rate_rps: Input should be greater than or equal to 0 (it is -1.5)"),
        ({"arms": {}}, "key arms: Dictionary should have at least 1 item after validation, not 0 (it is {})"),
        ({"services": []}, "key services: Tuple should have at least 1 item after validation, not 0 (it is [])"),
        ({"arms": ["leaky"]}, "key arms: Input should be a valid dictionary (it is ['leaky'])"),
        (
            {"incident": {"memory_scale": 16, "start_bytes": 8e7, "limit_bytes": 5e8}},
            "key incident.retained_bytes_per_request: Field required",
        ),
        ({"shape": "spike"}, "shape 'spike' is unknown; it is one of steady, incident, diurnal, steps"),
        (
            {"shape": "diurnal", "load_s": 1e12},
            f"a load of {1e12 / 30:g} hours of a day is too long to be planned, at most 100,000",
        ),
        (
            {"shape": "incident", "incident": {"memory_scale": 1e5, "retained_bytes_per_request": 5e-324,
                                               "start_bytes": 1, "limit_bytes": 1e9}, "hour_s": 1e-9},
            f"its numbers are out of range ({DIVISION_BY_ZERO})",
        ),
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


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("seed", "key seed: Field required"),
        ("schema_version", f"planned load of schema None, this is {SCHEMA_VERSION}"),
    ],
)
def test_missing_keys(make_traffic: Callable[..., Traffic], tmp_path: Path, key: str, message: str) -> None:
    """A key that is missing is named."""
    fields = json.loads(make_traffic().to_json())
    del fields[key]
    path = tmp_path / "traffic.json"
    path.write_text(json.dumps(fields))
    assert _error(path) == f"{path}: {message}"


def test_keys_of_a_later_version_are_ignored(make_traffic: Callable[..., Traffic], tmp_path: Path) -> None:
    """A worker of this version joins a run of one that plans more, in the same schema."""
    path = tmp_path / "traffic.json"
    path.write_text(json.dumps(json.loads(make_traffic().to_json()) | {"jitter_s": 1.0}))
    assert read_traffic(path) == make_traffic()


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null", "[" * 100_000, '{"load_s": NaN}', "9" * 400])
def test_no_plan_at_all(tmp_path: Path, text: str) -> None:
    """Text that is no plan is refused with the file's name, in one line."""
    path = tmp_path / "traffic.json"
    path.write_text(text)
    message = _error(path)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
