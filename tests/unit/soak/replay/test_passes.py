"""How a pass is asked for, and what a container is given for it."""

from __future__ import annotations

import json
from pathlib import Path

from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.contract import BY_MEMRAY, MOST_CAPTURE_BYTES
from soak.replay.one_pass import _make_raw
from soak.replay.passes import native_pass, python_pass


def profile(*settings: str) -> Profile:
    return load_profile("demo", ["gates.min_time_to_oom=>= 1h", *settings])


def test_the_native_pass_names_where_memray_may_be() -> None:
    """Ours first, then that of the profile, relative to it; the capture is bounded."""
    found = native_pass(profile("replay.memray=lib"))
    ours, configured = found.packages
    assert found.name == BY_MEMRAY
    assert (ours / "memray" / "__init__.py").exists()
    assert configured == profile().directory / "lib"
    [(variable, value)] = found.variables(Path("/raw"), [Path("/a"), Path("/b")]).items()
    assert variable == "SOAK_PROBE_NATIVE"
    assert json.loads(value) == {
        "directory": "/raw",
        "most_bytes": MOST_CAPTURE_BYTES,
        "memray": ["/a", "/b"],
    }


def test_the_python_pass_asks_for_frames_alone() -> None:
    """Nothing is imported for it."""
    found = python_pass(profile("replay.frames=3").replay)
    assert found.packages == ()
    assert dict(found.variables(Path("/raw"), [])) == {"SOAK_PROBE_TRACE": "3"}


def test_a_container_gets_copies_of_what_memray_needs(tmp_path: Path) -> None:
    """Not of the rest of our packages, nor of memray's commands; what is missing is left to the probe's reason."""
    ours = tmp_path / "site-packages"
    for name in (
        "memray/_memray.so",
        "memray/commands/run.py",
        "memray.libs/a.so",
        "rich/a.py",
        "numpy/a.py",
    ):
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / name).touch()
    raw = tmp_path / "raw"
    _make_raw(raw, [(ours, "packages-0"), (tmp_path / "none", "packages-1")])
    copied = sorted(str(one.relative_to(raw)) for one in raw.rglob("*") if one.is_file())
    assert copied == ["packages-0/memray.libs/a.so", "packages-0/memray/_memray.so", "packages-0/rich/a.py"]
    assert (raw.stat().st_mode & 0o7777) == 0o1777
