"""The comparison itself: what is a difference, what is none, and what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soak.errors import UsageError
from tests.equivalence.__main__ import ALLOWED, text
from tests.equivalence.compare import Allowed, Comparison, Difference, compare, read_allowed

SUMMARY = "demo/report/summary.json"
GATES = "demo/report/gates.csv"
ROOT = Path(__file__).parents[2]


def placed(directory: Path, files: dict[str, str]) -> Path:
    directory.mkdir()
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory


def compared(tmp_path: Path, before: dict[str, str], after: dict[str, str], *allowed: Allowed) -> Comparison:
    return compare(placed(tmp_path / "before", before), placed(tmp_path / "after", after), allowed)


def of_json(tmp_path: Path, before: Any, after: Any) -> list[tuple[str, str, str]]:
    found = compared(tmp_path, {SUMMARY: json.dumps(before)}, {SUMMARY: json.dumps(after)})
    assert all(one.file == SUMMARY for one in found.unexpected)
    return [(one.path, one.before, one.after) for one in found.unexpected]


def of_csv(tmp_path: Path, before: str, after: str) -> list[tuple[str, int | None, str, str]]:
    found = compared(tmp_path, {GATES: before}, {GATES: after})
    return [(one.path, one.row, one.before, one.after) for one in found.unexpected]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1.0, 1.0 + 1e-10),
        (1e12, 1e12 + 1),
        (2, 2.0),
        (-0.0, 0.0),
        (float("nan"), float("nan")),
        ({"a": 1, "b": None}, {"b": None, "a": 1}),
    ],
)
def test_the_same_number_is_no_difference(tmp_path: Path, before: Any, after: Any) -> None:
    """Neither is what rounding leaves, how it is written, nor the order of keys."""
    assert of_json(tmp_path, {"value": before}, {"value": after}) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1.0, 1.0 + 1e-8),
        (1e-15, 0.0),
        (10**12, 10**12 + 1),
        (1.0, float("nan")),
        (1, True),
        (0, None),
        (0, False),
        (1, "1"),
        ("leak", "no_leak"),
        ([], {}),
        ([], None),
        ([1], 1),
    ],
)
def test_a_changed_value_is_a_difference(tmp_path: Path, before: Any, after: Any) -> None:
    """However small, if it is no rounding; counts are exact, and a number is not a text, a truth or nothing."""
    assert of_json(tmp_path, {"value": before}, {"value": after}) == [
        ("value", json.dumps(before), json.dumps(after))
    ]


def test_a_difference_has_the_path_to_it(tmp_path: Path) -> None:
    """Keys and places in lists, with dots between; every one is told."""
    before = {"arms": [{"rate": 1, "low": 0}, {"rate": 2, "low": 0}], "seed": 1}
    after = {"arms": [{"rate": 1, "low": 0}, {"rate": 3, "low": 5}], "seed": 2}
    assert of_json(tmp_path, before, after) == [
        ("arms.1.rate", "2", "3"),
        ("arms.1.low", "0", "5"),
        ("seed", "1", "2"),
    ]


def test_a_key_in_one_report_only_is_a_difference(tmp_path: Path) -> None:
    """A null is a value; what is missing has none."""
    assert of_json(tmp_path, {"a": None, "c": [1]}, {"b": {"d": 1}, "c": [1, 2]}) == [
        ("a", "null", "missing"),
        ("c.1", "missing", "2"),
        ("b", "missing", '{"d": 1}'),
    ]


def test_cells_are_compared_by_number_and_column(tmp_path: Path) -> None:
    """The order of columns is free, and so is how a number is written."""
    before = "gate,low,why\nleak,1.0,ok\nmax_rss,2e3,ok\n"
    after = "low,why,gate\n1.00000000001,ok,leak\n2000,ok,max_rss\n"
    assert of_csv(tmp_path, before, after) == []


@pytest.mark.parametrize(
    ("before", "after"), [("1.5", "1.6"), ("1", ""), ("pass", "fail"), ("7", "8"), ("0", "False")]
)
def test_a_changed_cell_is_a_difference(tmp_path: Path, before: str, after: str) -> None:
    """With its column and row."""
    assert of_csv(tmp_path, f"gate,low\na,0\nb,{before}\n", f"gate,low\na,0\nb,{after}\n") == [
        ("low", 2, before, after)
    ]


def test_columns_and_rows_in_one_table_only_are_differences(tmp_path: Path) -> None:
    """The cells that are in both are compared all the same."""
    found = of_csv(tmp_path, "gate,low\na,0\nb,0\n", "gate,high\nc,0\n")
    assert found == [
        ("low", None, "there", "missing"),
        ("high", None, "missing", "there"),
        ("rows", None, "2", "1"),
        ("gate", 1, "a", "c"),
    ]


def test_a_changed_exit_code_is_a_difference(tmp_path: Path) -> None:
    """Whether the file is called so or only ends so."""
    before = {"demo/exit_code": "0\n", "demo/judge.exit_code": "3\n", "demo/verify.exit_code": "0\n"}
    found = compared(tmp_path, before, {**before, "demo/exit_code": "4\n", "demo/judge.exit_code": "0"})
    assert found.unexpected == (
        Difference("demo/exit_code", "", "0", "4"),
        Difference("demo/judge.exit_code", "", "3", "0"),
    )
    assert found.files == 3


def test_wording_is_free_and_a_missing_file_is_a_difference(tmp_path: Path) -> None:
    """A text may say the same in other words, but it must be there."""
    before = {SUMMARY: "{}", "demo/report/report.md": "Grew.", "demo/report/verdict.md": "LEAK"}
    after = {SUMMARY: "{}", "demo/report/report.md": "It grew.", GATES: "gate\n"}
    found = compared(tmp_path, before, after)
    assert found.unexpected == (
        Difference(GATES, "", "missing", "there"),
        Difference("demo/report/verdict.md", "", "there", "missing"),
    )


def test_an_allowed_difference_is_told_apart(tmp_path: Path) -> None:
    """Both globs must match; each entry is told as used or not."""
    version = Allowed(1, "*/summary.json", "summary_version", "A new version.")
    signals = Allowed(2, "*/summary.json", "arms.*.rate", "Another unit.")
    other = Allowed(2, "*/gates.csv", "*", "Another file.")
    before = {"summary_version": 4, "arms": [{"rate": 1}], "seed": 1}
    after = {"summary_version": 5, "arms": [{"rate": 2}], "seed": 2}
    found = compared(
        tmp_path, {SUMMARY: json.dumps(before)}, {SUMMARY: json.dumps(after)}, version, signals, other
    )
    assert [one.path for one in found.unexpected] == ["seed"]
    assert [one.path for one in found.expected] == ["summary_version", "arms.0.rate"]
    assert (found.used, found.unused) == ((version, signals), (other,))
    assert text(found).splitlines() == [
        f"{SUMMARY}: seed: 1 -> 2",
        "1 differences that are not allowed, 2 that are, in 1 files that were compared.",
        "Allowed, used: 2",
        '  part 1, file "*/summary.json", path "summary_version": A new version.',
        '  part 2, file "*/summary.json", path "arms.*.rate": Another unit.',
        "Allowed, not used: 1",
        '  part 2, file "*/gates.csv", path "*": Another file.',
    ]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    """No directory, nothing in it to compare, a damaged file: none of them is equality."""
    empty, texts = placed(tmp_path / "empty", {}), placed(tmp_path / "texts", {"demo/report.md": "LEAK"})
    damaged = placed(tmp_path / "damaged", {SUMMARY: "{"})
    torn = placed(tmp_path / "torn", {GATES: "gate,low\nleak\n"})
    twice = placed(tmp_path / "twice", {GATES: "gate,gate\nleak,leak\n"})
    for one in (tmp_path / "nowhere", empty, texts, damaged, torn, twice):
        with pytest.raises(UsageError):
            compare(one, one, ())


ENTRY = 'part = 1\nfile = "*"\npath = "seed"\nwhy = "It is drawn."\n'


def test_allowed_differences_are_read_from_a_file(tmp_path: Path) -> None:
    """Those of the repository are readable too."""
    path = tmp_path / "allowed.toml"
    path.write_text(f"[[allowed]]\n{ENTRY}")
    assert read_allowed(path) == (Allowed(1, "*", "seed", "It is drawn."),)
    read_allowed(ALLOWED)


@pytest.mark.parametrize(
    "wrong",
    [
        ENTRY,
        f"[[allow]]\n{ENTRY}",
        f"[allowed]\n{ENTRY}",
        f"[[allowed]]\n{ENTRY}row = 3\n",
        f"[[allowed]]\n{ENTRY.replace('why', '# why')}",
        f"[[allowed]]\n{ENTRY.replace('It is drawn.', ' ')}",
        f"[[allowed]]\n{ENTRY.replace('= 1', '= true')}",
        "[[allowed]\n",
    ],
)
def test_an_entry_that_says_too_little_or_too_much_is_refused(tmp_path: Path, wrong: str) -> None:
    """Each has all four keys, and says why."""
    path = tmp_path / "allowed.toml"
    path.write_text(wrong)
    with pytest.raises(UsageError):
        read_allowed(path)


@pytest.mark.parametrize(("seed", "code"), [(1, 0), (2, 1)])
def test_the_exit_code_says_whether_anything_differs(tmp_path: Path, seed: int, code: int) -> None:
    """It is 1 where there is a difference that is not allowed."""
    before = placed(tmp_path / "before", {SUMMARY: '{"seed": 1}'})
    after = placed(tmp_path / "after", {SUMMARY: json.dumps({"seed": seed})})
    (allowed := tmp_path / "allowed.toml").touch()
    done = subprocess.run(
        [sys.executable, "-m", "tests.equivalence", str(before), str(after), "--allowed", str(allowed)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    assert f"{code} differences that are not allowed" in done.stdout
