"""The memory limit around a run, on planted cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.limit.around import LimitAround, limit_around

MIB = 1 << 20
V2 = "0::/pod/run\n", "31 23 0:27 / {} rw - cgroup2 cgroup2 rw\n"
V1 = "4:memory:/pod/run\n", "36 25 0:31 / {} rw - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("version", "limits", "expected"),
    [
        pytest.param(
            V2,
            {"memory.max": None, "pod/memory.max": 300 * MIB, "pod/run/memory.max": None},
            "pod",
            id="v2, pod",
        ),
        pytest.param(
            V2, {"pod/memory.max": 300 * MIB, "pod/run/memory.max": 200 * MIB}, "pod/run", id="v2, own"
        ),
        pytest.param(
            V2, {"memory.max": 100 * MIB, "pod/run/memory.max": 200 * MIB}, ".", id="v2, container's root"
        ),
        pytest.param(V2, {"pod/run/memory.max": None}, None, id="v2, none"),
        pytest.param(V2, {}, None, id="v2, nothing readable"),
        pytest.param(
            V1,
            {"memory.limit_in_bytes": 1 << 63, "pod/memory.limit_in_bytes": 300 * MIB},
            "pod",
            id="v1, pod",
        ),
        pytest.param(V1, {"pod/run/memory.limit_in_bytes": (1 << 63) - 4096}, None, id="v1, none"),
    ],
)
def test_the_lowest_limit_around_is_found(
    tmp_path: Path, version: tuple[str, str], limits: dict[str, int | None], expected: str | None
) -> None:
    """Of our own cgroup or one above it, with the file where it stands."""
    mount = tmp_path / "fs"
    (mount / "pod/run").mkdir(parents=True)
    for name, limit in limits.items():
        (mount / name).write_text(f"{'max' if limit is None else limit}\n")
    (tmp_path / "cgroup").write_text(version[0])
    (tmp_path / "mountinfo").write_text(version[1].format(mount))
    found = limit_around(tmp_path / "cgroup", tmp_path / "mountinfo")
    if expected is None:
        assert found is None
    else:
        name = "memory.max" if version is V2 else "memory.limit_in_bytes"
        file = mount / expected / name
        assert found == LimitAround(int(file.read_text()), file)


def test_a_machine_without_cgroups_has_none(tmp_path: Path) -> None:
    """Nothing is raised."""
    assert limit_around(tmp_path / "none", tmp_path / "none") is None
