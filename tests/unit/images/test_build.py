from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from images.__main__ import GATEWAY
from images.build import (
    Contents,
    Start,
    ask_interpreter,
    build_images,
    changes,
    import_tar,
    trace_libraries,
    write_tar,
)
from images.files import File, Interpreter, with_requirements
from soak.containers.engine import Answer, Engine, Image
from soak.errors import HarnessError

PYTHON = Interpreter("/usr/bin/python3.12", "3.12", (), ())


class ScriptedEngine(Engine):
    """Answers imports with what the test gives, and records all calls."""

    def __init__(self, answer: Answer, earlier: Image | None = None, names: str = "0\n") -> None:
        super().__init__("podman", "/usr/bin/podman")
        self.answer, self.earlier, self.names, self.calls = answer, earlier, names, list[list[str]]()

    def image(self, name: str) -> Image | None:  # noqa: ARG002
        return self.earlier

    def call(self, words: Sequence[str], timeout_s: float = 0, cwd: str | None = None) -> Answer:  # noqa: ARG002
        self.calls.append(list(words))
        return Answer(0, self.names, "") if words[:2] == ["image", "inspect"] else self.answer


def test_files_of_a_tar_are_readable_by_every_user(tmp_path: Path) -> None:
    """Owner and mode do not depend on the machine; hard links and links become files."""
    source = tmp_path / "secretive.py"
    source.write_text("x = 1\n")
    source.chmod(0o600)
    (tmp_path / "hard.py").hardlink_to(source)
    (tmp_path / "soft.py").symlink_to(source)
    program = tmp_path / "program"
    program.write_text("#!")
    program.chmod(0o700)
    sources = [source, tmp_path / "hard.py", tmp_path / "soft.py", program]
    target = io.BytesIO()
    size = write_tar(target, [File(one, PurePosixPath("/app") / one.name) for one in sources], PYTHON)
    assert size == 3 * 6 + 2
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        found = {entry.name: entry for entry in tar}
        assert {found[f"app/{one.name}"].isreg() for one in sources} == {True}
        assert {entry.uid for entry in found.values()} == {0}
        assert (found["app/secretive.py"].mode, found["app/program"].mode) == (0o644, 0o755)
        assert found["tmp"].mode == 0o1777
        assert found["opt/venv/bin/python"].linkname == "/usr/bin/python3.12"
        configuration = tar.extractfile("opt/venv/pyvenv.cfg")
        assert configuration is not None
        assert configuration.read().startswith(b"home = /usr/bin\n")


def test_how_an_image_starts_is_written_as_in_a_containerfile() -> None:
    start = Start("shop:1", ("python", "-m", "shop"), 8000, "1000:1000")
    assert changes(start) == [
        'ENV PATH="/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"',
        "WORKDIR /app",
        'ENTRYPOINT ["python", "-m", "shop"]',
        "EXPOSE 8000",
        "USER 1000:1000",
    ]


def test_an_earlier_image_of_the_name_is_removed() -> None:
    engine = ScriptedEngine(Answer(0, "sha256:2", ""), Image("podman", "shop:1", "sha256:1"))
    import_tar(engine, Start("shop:1"), Path("x.tar"))
    assert engine.calls[0][0] == "import"
    assert engine.calls[0][-2:] == ["x.tar", "shop:1"]
    assert engine.calls[2:] == [["rmi", "sha256:1"]]


def test_an_earlier_image_that_has_another_name_stays() -> None:
    """A name that somebody else gave the image is theirs."""
    engine = ScriptedEngine(Answer(0, "sha256:2", ""), Image("podman", "shop:1", "sha256:1"), names="1\n")
    import_tar(engine, Start("shop:1"), Path("x.tar"))
    assert [words[0] for words in engine.calls] == ["import", "image"]


def test_what_the_engine_answers_is_quoted_and_the_earlier_image_stays() -> None:
    engine = ScriptedEngine(
        Answer(125, "", "Error: no space left on device"), Image("podman", "shop:1", "sha256:1")
    )
    with pytest.raises(HarnessError, match=r"^shop:1 could not be built: podman.*: no space left on device$"):
        import_tar(engine, Start("shop:1"), Path("x.tar"))
    assert len(engine.calls) == 1


def test_a_python_reports_its_base_installation_not_its_environment() -> None:
    interpreter = ask_interpreter(sys.executable)
    assert interpreter.version == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert Path(interpreter.executable).is_relative_to(Path(sys.base_prefix).resolve())
    assert any((Path(root) / "os.py").is_file() for root in interpreter.standard_library)
    assert not any(Path(root).is_relative_to(sys.prefix) for root in interpreter.standard_library)


def test_the_loader_and_the_libraries_of_modules_are_found_without_running_the_python() -> None:
    interpreter = ask_interpreter(sys.executable)
    modules = [str(module) for module in Path(interpreter.standard_library[0]).glob("lib-dynload/_ssl.*.so")]
    trace = trace_libraries(interpreter.executable, modules)
    assert "libc.so.6 => /" in trace
    assert "libssl" in trace


def test_a_python_that_is_none_is_an_error_of_one_line() -> None:
    with pytest.raises(HarnessError, match=r"^/nowhere/python cannot be run: [^\n]*$"):
        ask_interpreter("/nowhere/python")
    with pytest.raises(HarnessError, match="false failed"):
        ask_interpreter("false")


def test_a_missing_package_ends_the_build_before_an_engine_is_called() -> None:
    engine = ScriptedEngine(Answer(0, "", ""))
    with pytest.raises(HarnessError, match=r"no-such-package is not installed in .*; install it first"):
        build_images(Contents(["no-such-package"]), [Start("shop:1")], [engine])
    assert engine.calls == []


def test_a_gateway_image_has_no_package_that_the_gateway_does_not_require() -> None:
    """What the harness alone needs would make the image three times as large."""
    site_packages = ask_interpreter(sys.executable).site_packages
    names = {one.metadata["Name"] for one in with_requirements(GATEWAY.requires, site_packages)}
    assert {"fastapi", "uvloop", "pydantic_core"} <= names
    assert not {"numpy", "pandas", "locust", "pytest"} & names
