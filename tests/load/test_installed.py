"""The wheel, installed as users install it: alone in an environment, used from any directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soak.cli.packages import OURS
from soak.errors import EXIT_INCONCLUSIVE, EXIT_OK
from tests.support.paths import ROOT
from tests.support.pythons import find_interpreter

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        "SOAKPROOF_REQUIRE_INSTALL" not in os.environ,
        reason="installs packages; SOAKPROOF_REQUIRE_INSTALL=1 runs it",
    ),
]

SHORT = ("phases.idle_s=1", "phases.warmup_s=4", "phases.load_s=20", "phases.drain_s=2", "phases.quiesce_s=2",
         "sampling.census_every_s=4", "sampling.quiesce_every_s=4")  # fmt: skip
"""Settings of a demo of half a minute, with enough censuses for a leak suspect."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", directory, ROOT], check=True, timeout=120)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uv and pipx put what they install and keep."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    """The environment of uv and pipx; versions are those of the lock."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    directories = (
        "UV_TOOL_DIR",
        "UV_TOOL_BIN_DIR",
        "UV_CACHE_DIR",
        "PIPX_HOME",
        "PIPX_BIN_DIR",
        "PIPX_MAN_DIR",
    )
    return {
        **kept,
        **{name: str(home / name) for name in directories},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "UV_CONSTRAINT": str(ROOT / "requirements.lock"),
        "COLUMNS": "200",
    }


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A directory of a team whose packages have the names of ours, and cannot be imported."""
    for name in OURS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    return tmp_path


def done(argv: list[str | Path], environment: dict[str, str], cwd: Path | None = None) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    result = subprocess.run(
        argv,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    return result.returncode, result.stdout


def test_what_uv_installs_soaks_the_demo_from_any_directory(
    wheel: Path, home: Path, environment: dict[str, str], team: Path
) -> None:
    """On the newest Python that we support and that is here: gateways, stubs, load, probe, censuses and report."""
    python = find_interpreter("3.14") or sys.executable
    code, text = done(["uv", "tool", "install", "--quiet", "--python", python, wheel], environment)
    assert code == 0, text
    soak = home / "UV_TOOL_BIN_DIR" / "soak"
    settings = [word for setting in SHORT for word in ("--set", setting)]
    code, text = done([soak, "run", "demo", *settings], environment, team)
    assert code in (EXIT_OK, EXIT_INCONCLUSIVE), text
    summary = json.loads((team / "runs" / "latest" / "report" / "summary.json").read_text())
    assert summary["reasons"] == [], text
    leaky, fixed = summary["verdicts"]
    assert (leaky["verdict"], fixed["verdict"] == "leak") == ("leak", False)
    assert [arm["load"]["arrived"] for arm in summary["arms"]] == [1.0, 1.0]
    assert all(grown["censuses"] for grown in summary["grew"])
    assert summary["grew"][0]["growers"][0]["holder"]
    for words, named in (
        (["list"], "fixed: "),
        (["verify", "runs/latest"], "OK: "),
        (["history", "runs"], "fixed: "),
    ):
        code, text = done([soak, *words], environment, team)
        assert code == EXIT_OK, text
        assert named in text


def test_what_pipx_installs_plans_a_run_and_starts_the_analysis(
    wheel: Path, home: Path, environment: dict[str, str], team: Path
) -> None:
    """The packages are already in uv's cache."""
    code, text = done(["pipx", "install", "--backend", "uv", wheel], environment)
    assert code == 0, text
    soak = home / "PIPX_BIN_DIR" / "soak"
    assert done([soak, "init", "soak.toml"], environment, team)[0] == EXIT_OK
    code, text = done([soak, "run", "demo", "--dry-run"], environment, team)
    assert code == EXIT_OK, text
    code, text = done([soak, "judge", "--help"], environment, team)
    assert (code, "Usage: soak judge" in text) == (EXIT_OK, True), text
