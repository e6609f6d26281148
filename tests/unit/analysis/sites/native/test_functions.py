"""Names of native functions and their libraries, from frames as memray has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.sites.native.functions import Functions


@pytest.mark.parametrize(
    ("native", "name"),
    [
        ([("<unknown>", "<unknown>", 0), ("decode", "<unknown>", 0), ("loads", "<unknown>", 0)], "decode"),
        ([("PyUnicode_New", "<unknown>", 0), ("_PyObject_MakeTpCall", "Objects/call.c", 214)], ""),
        ([("list_resize", "Objects/listobject.c", 81)], ""),
        ([("malloc", "<unknown>", 0), ("operator new(unsigned long)", "<unknown>", 0), ("f", "", 0)], "f"),
        (
            [("green::Let<int>::start(green::Ref<_o, &x>&, std::vector<int>)", "src/g.cpp", 1379)],
            "green::Let::start",
        ),
        ([("<unknown>", "<unknown>", 0)], ""),
        ([], ""),
        ([("a" * 200, "<unknown>", 0)], "…" + "a" * 79),
        ([("evil\x1b[2J", "<unknown>", 0)], "evil\\x1b[2J"),
    ],
)
def test_the_innermost_function_that_allocates_for_itself_is_named(
    native: list[tuple[str, str, int]], name: str
) -> None:
    """Allocators and the interpreter allocate for whoever calls them; types of C++ are left out."""
    assert Functions([]).name(native) == name


def test_a_function_of_the_interpreter_is_none_of_an_extension() -> None:
    """Without its source file it is found among the symbols of the interpreter or its library."""
    mapped = {
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "python" in line
    }
    functions = Functions(sorted(one for one in mapped if one.startswith("/")))
    assert Functions([]).name([("main_of_python", "<unknown>", 0)]) == "main_of_python"
    assert functions.name([("Py_BytesMain", "<unknown>", 0)]) == ""


def test_files_that_are_gone_or_no_libraries_name_nothing(tmp_path: Path) -> None:
    """The list is the target's own word."""
    text, empty = tmp_path / "text.so", tmp_path / "empty.so"
    text.write_text("decode")
    empty.touch()
    functions = Functions([str(text), str(empty), str(tmp_path / "gone.so"), "/dev/zero", str(tmp_path)])
    assert functions.name([("decode", "<unknown>", 0)]) == "decode"
