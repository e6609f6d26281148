from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

import pytest

from images.files import (
    File,
    Interpreter,
    application,
    extension_modules,
    libraries,
    packages,
    standard_library,
    with_requirements,
)

TRACE = """\
\tlinux-vdso.so.1 (0x00007f601fc13000)
\t/srv/lib/python3.12/lib-dynload/_ssl.so (0x00007f601f000000)
\tlibssl.so.3 => {0}/libssl.so.3 (0x00007f601f0b5000)
\tlibtk8.6.so => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f601fc15000)
"""


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def install(site: Path, name: str, *requires: str, record: tuple[str, ...] = ()) -> None:
    """Plant a distribution as pip leaves it."""
    info = f"{name}-1.dist-info"
    lines = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1",
        *(f"Requires-Dist: {one}" for one in requires),
    ]
    write(site / info / "METADATA", "\n".join(lines) + "\n")
    for file in record:
        write(site / file)
    write(site / info / "RECORD", "".join(f"{file},,\n" for file in (f"{info}/METADATA", *record)))


def names(distributions: list[Distribution]) -> list[str]:
    return [distribution.metadata["Name"] for distribution in distributions]


def test_of_the_standard_library_an_image_has_what_a_service_can_import(tmp_path: Path) -> None:
    """Tests, GUI toolkits, build files and packages of the base installation are left out; paths stay."""
    kept = {
        write(tmp_path / name)
        for name in ("os.py", "json/__init__.py", "__pycache__/os.cpython-312.pyc", "lib-dynload/_ssl.so")
    }
    for name in (
        "test/test_os.py",
        "tkinter/__init__.py",
        "site-packages/pip/__init__.py",
        "config-3.12-x86_64-linux-gnu/libpython3.12.a",
        "lib-dynload/_tkinter.so",
        "lib-dynload/_testcapi.so",
        "__pycache__/os.cpython-312.opt-2.pyc",
    ):
        write(tmp_path / name)
    interpreter = Interpreter("/usr/bin/python3.12", "3.12", (str(tmp_path),), ())
    assert set(standard_library(interpreter)) == {File(path, PurePosixPath(path)) for path in kept}


def test_requirements_bring_their_requirements_with_markers_and_extras(tmp_path: Path) -> None:
    """Each is found once, also in a circle; what a marker or an extra that is not asked for needs is left out."""
    install(
        tmp_path, "web", "Loop-Core", 'windows-only; sys_platform == "win32"', 'fast-json; extra == "fast"'
    )
    install(tmp_path, "loop_core", "web")
    install(tmp_path, "fast_json", "loop-core")
    site = [str(tmp_path)]
    assert names(with_requirements(["web"], site)) == ["loop_core", "web"]
    assert names(with_requirements(["web[fast]"], site)) == ["fast_json", "loop_core", "web"]
    assert names(with_requirements(["web", "web[fast]"], site)) == ["fast_json", "loop_core", "web"]


def test_a_requirement_that_is_not_installed_is_named(tmp_path: Path) -> None:
    install(tmp_path, "web", "loop-core")
    with pytest.raises(LookupError, match=f"loop-core is not installed in {tmp_path}"):
        with_requirements(["web"], [str(tmp_path)])


def test_packages_move_to_the_environment_of_the_image_without_scripts(tmp_path: Path) -> None:
    """A script names the Python of this machine in its first line; a file that is gone is no error."""
    write(tmp_path / "bin/web")
    install(tmp_path / "site", "web", record=("web/__init__.py",))
    with (tmp_path / "site/web-1.dist-info/RECORD").open("a") as record:
        record.write("../bin/web,,\nweb/gone.py,,\n")
    found = {
        str(file.path) for file in packages(with_requirements(["web"], [str(tmp_path / "site")]), "3.12")
    }
    place = "/opt/venv/lib/python3.12/site-packages"
    assert found == {f"{place}/web/__init__.py", f"{place}/web-1.dist-info/METADATA"}


def test_an_application_lies_below_app_by_its_own_name(tmp_path: Path) -> None:
    source = write(tmp_path / "shop" / "api" / "main.py")
    assert list(application([tmp_path / "shop"])) == [File(source, PurePosixPath("/app/shop/api/main.py"))]


def test_shared_libraries_are_those_that_the_loader_found_and_the_image_lacks(tmp_path: Path) -> None:
    library, loader = write(tmp_path / "libssl.so.3"), Path("/lib64/ld-linux-x86-64.so.2")
    known = frozenset([Path("/srv/lib/python3.12/lib-dynload/_ssl.so")])
    found = [file.source for file in libraries(TRACE.format(tmp_path), known)]
    assert found == sorted([library, loader])
    assert list(libraries(TRACE.format(tmp_path), known | {library, loader.resolve()})) == []


def test_extension_modules_are_known_by_their_names() -> None:
    files = [
        File(Path(name), PurePosixPath("/x")) for name in ("a.cpython-312.so", "libz.so.1", "a.py", "so.py")
    ]
    assert extension_modules(files) == ["a.cpython-312.so", "libz.so.1"]
