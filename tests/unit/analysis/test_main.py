"""`soak judge` and `soak compare` as they are typed: what is printed, what is refused, and the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.__main__ import main
from soak import contract
from soak.contract import GateLimit
from soak.recording.files import record_sums

Build = Callable[..., Path]
Type = Callable[..., tuple[int, str, str]]
Numbers = npt.NDArray[np.floating[Any]]

FAILS = (GateLimit("max_rss", "<=", 1e6, of_before=False, text="<= 1 MB"),)
MIB = 2**20


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """A function that runs a command line; returns its exit code, what it printed, and what it complained of."""

    def type_in(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["soak", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        assert isinstance(caught.value.code, int)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return caught.value.code, out, " ".join(err.split())

    return type_in


def csv(path: Path, rss_bytes: Numbers, every_s: float = 60.0) -> Path:
    """Write a CSV of RSS every minute."""
    rows = (f"{n * every_s:g},{value:.0f}\n" for n, value in enumerate(rss_bytes))
    path.write_text("t,rss\n" + "".join(rows))
    return path


def copied(run_dir: Path, name: str, **keys: Any) -> Path:
    """Move a planted run away under its own name and set keys of its manifest."""
    moved = run_dir.rename(run_dir.parent / name)
    path = moved / contract.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": name} | keys))
    return moved


COLUMNS = ("--time-column", "t", "--rss-column", "rss")
IN_BYTES = (*COLUMNS, "--rss-unit", "B")
ALTERNATING = np.where(np.arange(240) % 2, 8192.0, -8192.0)


@pytest.mark.parametrize(
    ("truth", "code", "sentence"),
    [
        ({}, 0, "SIGNED OFF: fixed passed its gate; the leak in the control (leaky) was detected."),
        ({"gates": FAILS}, 3, "NOT SIGNED OFF: fixed failed the gate max_rss."),
        (
            {"roles": ("after", "before"), "judge": {"max_leak_bytes_per_request": 200.0}},
            3,
            "leaky failed the gate leak",
        ),
        (
            {"growth_share": 0.0, "kill_hour": None, "probe": False},
            4,
            "REFUSED: control leaky is NO LEAK; sign-off requires",
        ),
        ({"status": "interrupted", "status_detail": "Ctrl-C"}, 4, "- the run was interrupted: Ctrl-C"),
        ({"sent_share": 0.9}, 4, "INCONCLUSIVE:\n- leaky: 12,672 of 14,080 requests planned"),
    ],
)
@pytest.mark.usefixtures("planted_verdicts")
def test_the_exit_code_of_a_run_is_that_of_its_sign_off(
    build_run: Build, type_in: Type, truth: dict[str, Any], code: int, sentence: str
) -> None:
    """0 signed, 3 a gate failed, 4 inconclusive or refused; the reason is printed."""
    found, out, err = type_in("judge", build_run(**truth))
    assert (found, err) == (code, "")
    assert sentence in out


@pytest.mark.parametrize(
    ("rss_bytes", "code", "start"),
    [
        (80e6 + np.tile(ALTERNATING, 2), 0, "x.csv: NO LEAK: leak < "),
        (80e6 + ALTERNATING + 600e3 * np.arange(240), 3, "x.csv: LEAK: 34.3 MiB/h "),
        (80e6 + ALTERNATING[:3], 4, "x.csv: INCONCLUSIVE: "),
        (-80e6 + ALTERNATING, 4, "x.csv: INCONCLUSIVE: "),
    ],
)
def test_the_exit_code_of_a_file_is_that_of_its_verdict(
    tmp_path: Path, type_in: Type, rss_bytes: Numbers, code: int, start: str
) -> None:
    """By the real judge: eight hours that are flat, four that grow, that are three readings, that are negative."""
    found, out, err = type_in("judge", csv(tmp_path / "x.csv", rss_bytes), *IN_BYTES)
    assert (found, err) == (code, "")
    assert out.startswith(start)


def test_rows_that_go_back_in_time_decide_nothing(tmp_path: Path, type_in: Type) -> None:
    """Two recordings in one file, or a clock that was set back: what grew when is not known."""
    path = csv(tmp_path / "x.csv", 80e6 + ALTERNATING)
    path.write_text(path.read_text() + "600,99000000\n")
    code, out, _ = type_in("judge", path, *IN_BYTES)
    assert code == 4
    assert out.startswith("x.csv: INCONCLUSIVE: time goes backwards")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)", "{t:12.3f} 0.000 {mib:12.3f} 900.000"),
        ("CMDLINE python app.py", "MEM {mib:.6f} {epoch:.4f}"),
    ],
)
@pytest.mark.usefixtures("planted_verdicts")
def test_psrecord_and_mprof_need_no_options(tmp_path: Path, type_in: Type, head: str, row: str) -> None:
    """A mebibyte a minute is 60 MiB per hour in either format, and the limit tells when memory ends."""
    path = tmp_path / "memory.dat"
    rows = [row.format(t=60.0 * n, epoch=1.7e9 + 60 * n, mib=70.0 + n) for n in range(60)]
    path.write_text("\n".join([head, *rows, ""]))
    code, out, _ = type_in("judge", path, "--limit", "256 MiB")
    assert code == 3
    assert out.startswith("memory.dat: LEAK: 60.0 MiB/h")
    assert "time to OOM: " in out


@pytest.mark.parametrize(
    ("limit", "code", "start"),
    [
        ("300 MiB", 0, "memory.csv: NO LEAK: "),
        (
            "256 MiB",
            4,
            "memory.csv: INCONCLUSIVE: its memory ends at 100% of its limit, and what cannot grow shows ",
        ),
        (
            "128 MiB",
            4,
            "memory.csv: INCONCLUSIVE: its memory ends at 199% of its limit, and what cannot grow shows ",
        ),
    ],
)
def test_memory_that_its_limit_holds_is_not_cleared(
    tmp_path: Path, type_in: Type, limit: str, code: int, start: str
) -> None:
    """A leak that filled its limit in the first hour, and was swapped out from then on, is as flat as none."""
    hours = np.arange(0.0, 24.0, 1 / 60)
    noise = np.random.default_rng(1).uniform(-1, 0, len(hours))
    path = csv(tmp_path / "memory.csv", MIB * (np.minimum(200 + 56 * hours, 255.5) + noise))
    answered, out, _ = type_in("judge", path, *IN_BYTES, "--limit", limit)
    assert answered == code
    assert out.startswith(start)


@pytest.mark.usefixtures("planted_verdicts")
def test_units_of_the_columns_are_told(tmp_path: Path, type_in: Type) -> None:
    """Minutes and KiB: 60 KiB a minute are 3.5 MiB per hour, a leak by one margin and none by another."""
    path = csv(tmp_path / "x.csv", 80e3 + 60.0 * np.arange(60), every_s=1.0)
    words = ("judge", path, *COLUMNS, "--time-unit", "min", "--rss-unit", "KiB")
    assert type_in(*words)[:2] == (
        3,
        "x.csv: LEAK: 3.5 MiB/h (3.4 MiB to 3.6 MiB, 95%) by RSS.\n"
        "x.csv: the margin is 1 MiB/h; 60 readings over 59 min, usually 60 s apart.\n"
        "x.csv: the load of 59 min is not known, and memory that rises with it looks like a leak: if it rose,\n"
        "record a day or more.\n\n",
    )
    assert type_in(*words, "--max-leak", "10 MB/h")[0] == 0


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (None, (), "x.csv: no such file or run directory."),
        ("", (), "x.csv: the file is empty; name one that holds memory over time."),
        ("\n", COLUMNS, "x.csv: the file is empty"),
        (
            "a,b\n1,2\n",
            (),
            "x.csv: not a file of psrecord, mprof, pidstat or docker stats; name its columns: --time-column",
        ),
        ("a,b\n1,2\n", COLUMNS, "x.csv: --time-column t: no such column; it has a, b."),
        ("t,b\n1,2\n", COLUMNS, "x.csv: --rss-column rss: no such column; it has t, b."),
        ("t,rss\n1,2\n", COLUMNS[:2], "Give both --time-column and --rss-column."),
        (
            "t,rss\n1,2\n",
            ("--rss-unit", "MB"),
            "--life-column: only for a CSV",
        ),
        (
            "t,rss\nx,y\n",
            COLUMNS,
            "x.csv: column t, row 2: 'x' is not seconds, ISO 8601 or HH:MM:SS; correct or",
        ),
        ("t,rss\n0,2e8\n9,inf\n", COLUMNS, "x.csv: column rss, row 3: 'inf' is not a size, written with a"),
        ("t,rss\n1,2\n", (*COLUMNS, "--time-unit", "parsecs"), "--time-unit: unknown unit 'parsecs'"),
        ("t,rss\n1,2\n", (*COLUMNS, "--rss-unit", "Mb/s"), "--rss-unit: unknown unit 'Mb/s'"),
        ("t,rss\n1,2\n", (*COLUMNS, "--rss-unit", ""), "--rss-unit: a number and a unit are needed"),
        ("t,rss\n1,2\n", (*COLUMNS, "--max-leak", "-1 MiB/h"), "--max-leak: a number and a unit are needed"),
        (
            "t,rss\n1,2\n",
            (*COLUMNS, "--max-leak", "0 MiB/h"),
            "--max-leak: the smallest leak that matters must be above 0",
        ),
        (
            "t,rss\n1,2\n",
            (*COLUMNS, "--max-leak", "9 B/request"),
            "--max-leak: a leak is a size per time here",
        ),
        ("t,rss\n1,2\n", (*COLUMNS, "--limit", "-2 GiB"), "--limit: a number and a unit are needed"),
        ("t,rss\n1,2\n", (*COLUMNS, "--limit", "0 GiB"), "--limit 0 GiB: give a size above 0"),
        ("t,rss\n1,2\n", ("--follow",), "x.csv: --follow needs a run directory."),
        ("t,rss\n0,1e300\n9,1e300\n", COLUMNS, "x.csv: column rss, row 2: '1e300' is not a size"),
    ],
)
def test_a_file_that_cannot_be_judged_is_a_sentence(
    tmp_path: Path, type_in: Type, text: str | None, options: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2 with the file or the option, what is wrong, and the fix."""
    path = tmp_path / "x.csv"
    if text is not None:
        path.write_text(text)
    code, out, err = type_in("judge", path, *options)
    assert (code, out) == (2, "")
    assert err.startswith("soak: ")
    assert sentence in err


@pytest.mark.parametrize("text", ["t,rss\n", "t,rss\n1,2e8\n1,2e8\n"])
def test_a_file_with_nothing_to_judge_is_no_pass(tmp_path: Path, type_in: Type, text: str) -> None:
    """No rows, one moment: inconclusive, with the reason."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    code, out, _ = type_in("judge", path, *IN_BYTES)
    assert code == 4
    assert out.startswith("x.csv: INCONCLUSIVE: ")


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_a_directory_that_is_no_run_is_a_sentence(
    tmp_path: Path, type_in: Type, options: tuple[str, ...]
) -> None:
    """To be judged or to be followed."""
    code, _, err = type_in("judge", tmp_path, *options)
    assert code == 2
    assert "manifest.json: missing, so" in err


@pytest.mark.usefixtures("planted_verdicts")
def test_a_run_that_is_over_is_followed_once(build_run: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its verdict so far stands in live.json, and the command ends by itself with 0."""
    run_dir = build_run()
    monkeypatch.setattr(sys, "argv", ["soak", "judge", str(run_dir), "--follow"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    arms = json.loads((run_dir / contract.LIVE).read_text())["arms"]
    assert {name: arm["verdict"] for name, arm in arms.items()} == {"leaky": "leak", "fixed": "no_leak"}


@pytest.mark.parametrize(
    ("gates", "keys", "code", "sentence"),
    [
        ((), {}, 0, "SIGNED OFF: fixed passed its gate"),
        (FAILS, {}, 3, "NOT SIGNED OFF: fixed failed the gate max_rss."),
        ((), {"status": "interrupted", "status_detail": "Ctrl-C"}, 4, "- the run was interrupted: Ctrl-C"),
    ],
)
@pytest.mark.usefixtures("planted_verdicts")
def test_the_exit_code_of_two_runs_is_that_of_the_candidates_sign_off(
    build_run: Build,
    type_in: Type,
    gates: tuple[GateLimit, ...],
    keys: dict[str, Any],
    code: int,
    sentence: str,
) -> None:
    """The second run is the one that is signed."""
    first = copied(build_run(), "release")
    second = copied(build_run(gates=gates), "candidate", **keys)
    found, out, err = type_in("compare", first, second)
    assert (found, err) == (code, "")
    assert out.startswith("release: fixed: NO LEAK: ")
    assert sentence in out


@pytest.mark.parametrize(("command", "changed"), [("judge", 0), ("compare", 0), ("compare", 1)])
@pytest.mark.usefixtures("planted_verdicts")
def test_a_recording_that_was_changed_decides_nothing(
    build_run: Build, type_in: Type, command: str, changed: int
) -> None:
    """Exit code 4 with the name of the file, also where a gate would fail, and of the first of two runs."""
    runs = [copied(build_run(gates=FAILS), name) for name in ("one", "two")[: 1 + (command == "compare")]]
    for run in runs:
        record_sums(run, {})
    path = runs[changed] / "leaky" / "samples.csv"
    path.write_text(path.read_text().replace("1", "2", 1))
    found, out, err = type_in(command, *runs)
    assert (found, err) == (4, "")
    assert "NOT SIGNED OFF: the recording was changed: " in out
    assert "leaky/samples.csv was changed" in " ".join(out.split())


@pytest.mark.parametrize(
    ("truth", "keys", "sentence"),
    [
        ({}, {"python": "3.12.1"}, "do not compare: Python: 3.11.7, 3.12.1. Repeat one of them"),
        ({}, {"locustfile_sha256": "0f"}, "do not compare: sha256 of traffic.locustfile: not set, 0f."),
        ({}, {"schema_version": 99}, "schema_version is 99, this version reads"),
        ({"roles": ("before", "")}, {}, "no arm is the candidate (leaky, fixed): give one role"),
    ],
)
@pytest.mark.usefixtures("planted_verdicts")
def test_two_runs_that_do_not_compare_are_refused(
    build_run: Build, type_in: Type, truth: dict[str, Any], keys: dict[str, Any], sentence: str
) -> None:
    """Exit code 2 with the run and the difference; so is a run that is not there."""
    first = copied(build_run(), "release")
    second = copied(build_run(**truth), "candidate", **keys)
    code, out, err = type_in("compare", first, second)
    assert (code, out) == (2, "")
    assert sentence in err
    code, _, err = type_in("compare", first, second.parent / "nothing")
    assert code == 2
    assert "no such run directory" in err
