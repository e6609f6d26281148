from __future__ import annotations

from pathlib import Path

import pytest

from soak.containers.cgroup import find_cgroup
from soak.limit.membership import NotUsableError

ID = "e46bdc49f66c879c0ac1726886c234920dc377817dfbda111199187bcde6e0fd"
MOUNTS = (
    "30 20 0:20 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 20 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"
)
V2_MOUNT = "31 20 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("proc_cgroup", "mounts", "path", "version"),
    [
        (f"4:memory:/docker/{ID}\n0::/docker/{ID}\n", MOUNTS, f"/sys/fs/cgroup/memory/docker/{ID}", 1),
        (
            f"4:memory:/libpod_parent/libpod-{ID}\n",
            MOUNTS,
            f"/sys/fs/cgroup/memory/libpod_parent/libpod-{ID}",
            1,
        ),
        (
            f"0::/system.slice/docker-{ID}.scope\n",
            V2_MOUNT,
            f"/sys/fs/cgroup/system.slice/docker-{ID}.scope",
            2,
        ),
        (
            f"0::/machine.slice/libpod-{ID}.scope/container/app.service\n",
            V2_MOUNT,
            f"/sys/fs/cgroup/machine.slice/libpod-{ID}.scope",
            2,
        ),
        (
            f"0::/docker/{'0' * 64}/docker/{ID}\n",
            V2_MOUNT,
            f"/sys/fs/cgroup/docker/{'0' * 64}/docker/{ID}",
            2,
        ),
        ("0::/user.slice/own.scope\n", V2_MOUNT, "/sys/fs/cgroup/user.slice/own.scope", 2),
    ],
)
def test_the_cgroup_that_has_the_limit_is_the_one_named_after_the_container(
    tmp_path: Path, proc_cgroup: str, mounts: str, path: str, version: int
) -> None:
    """In both versions, by both engines, divided below or in another container; else the process's own."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(proc_cgroup)
    (tmp_path / "mountinfo").write_text(mounts)
    found = find_cgroup(7, tmp_path / "mountinfo", tmp_path)
    assert (str(found.path), found.files.version) == (path, version)


def test_a_process_that_is_gone_has_none(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    with pytest.raises(NotUsableError, match="the cgroup of pid 7 cannot be read"):
        find_cgroup(7, tmp_path / "mountinfo", tmp_path)
