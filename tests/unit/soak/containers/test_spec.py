from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from soak.containers.engine import Image
from soak.containers.spec import ContainerSpec, _mount
from soak.process.probe_injection import PROBE_PATH

IMAGE = Image("podman", "shop:2.1", f"sha256:{'ab' * 32}", ports=(8000,))
SPEC = ContainerSpec(
    IMAGE, "new", "20260101-120000-two", "x1y2", Path("/private/new.env"), 8000, ("127.0.0.1", 41_000),
    limit_bytes=64 << 20, env={"TOKEN": "hush"}, options=("--read-only",), args=("--port", "8000"),
)  # fmt: skip


def test_the_words_of_run_are_those_of_both_engines() -> None:
    """Foreground, limited without swap, published, with the probe's code and sockets; options before the image."""
    assert SPEC.argv(3) == (
        "podman", "run", "--name", "soakproof-20260101-120000-two-x1y2-new-3",
        "--label", "soakproof.run=20260101-120000-two", "--label", "soakproof.arm=new",
        "--pull", "never", "--log-driver", "none", "--memory", "67108864", "--memory-swap", "67108864",
        "--publish", "127.0.0.1:41000:8000",
        "--mount", f"type=bind,source={PROBE_PATH},destination=/soakproof/probe,readonly",
        "--mount", "type=tmpfs,destination=/soakproof/run,tmpfs-mode=1777",
        "--env-file", "/private/new.env", "--read-only", "ab" * 32, "--port", "8000",
    )  # fmt: skip


def test_the_image_is_run_by_its_id() -> None:
    """Its name may be another image's before the next life."""
    assert "shop:2.1" not in SPEC.argv(1)


def test_without_a_limit_and_in_the_hosts_network() -> None:
    words = replace(SPEC, limit_bytes=None, published_at=None).argv(1)
    assert "--memory" not in words
    assert "--publish" not in words
    assert words[words.index("--network") + 1] == "host"


def test_a_name_is_one_that_engines_take() -> None:
    """A profile's name may have any letters, and be long."""
    name = replace(SPEC, run_id="20260101 läuft/" + "x" * 200, arm="new.leak").name(1)
    assert name.startswith("soakproof-20260101_l_uft_xxx")
    assert name.endswith("-x1y2-new.leak-1")
    assert len(name) < 160


def test_the_probe_stands_before_the_images_own_modules() -> None:
    """PYTHONPATH of the profile replaces that of the image, as a variable of a container does; ours is in front."""
    assert SPEC.environment()["PYTHONPATH"] == "/soakproof/probe"
    image = replace(IMAGE, env={"PYTHONPATH": "/srv/lib"})
    assert replace(SPEC, image=image).environment()["PYTHONPATH"] == "/soakproof/probe:/srv/lib"
    own = replace(SPEC, image=image, env={"PYTHONPATH": "/own"})
    assert own.environment()["PYTHONPATH"] == "/soakproof/probe:/own"


def test_values_are_in_a_file_for_us_alone_and_in_no_command_line(tmp_path: Path) -> None:
    """Also where somebody has put another file or a link there."""
    secret = tmp_path / "elsewhere"
    secret.write_text("kept")
    env_file = tmp_path / "new.env"
    env_file.symlink_to(secret)
    spec = replace(SPEC, env_file=env_file)
    spec.write_env_file()
    spec.write_env_file()
    assert env_file.read_text() == "TOKEN=hush\nPYTHONPATH=/soakproof/probe\nSOAK_PROBE_DIR=/soakproof/run\n"
    assert stat.S_IMODE(env_file.lstat().st_mode) == 0o600
    assert secret.read_text() == "kept"
    assert not any("hush" in word for word in spec.argv(1))


def test_a_comma_in_a_path_is_no_end_of_it() -> None:
    """The value of ``--mount`` is a line of CSV."""
    assert _mount("type=bind", "source=/a,b") == 'type=bind,"source=/a,b"'
