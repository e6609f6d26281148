"""Files of other tools: which are recognised, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from analysis.external.files import read_external
from analysis.external.processes import ProcessReadings
from analysis.external.tables import Columns
from analysis.formatting import KIB, MIB
from soak.errors import RecordingError

PSRECORD = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)"
PIDSTAT_CLOCK = (
    "Linux 6.1 (h) 03/04/2025 _x86_64_ (4 CPU)\n\n"
    "# Time        UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n"
    "11:59:59 PM  1000        42      0.00      0.00  201234   81920   0.50  python app.py\n\n"
    "# Time        UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n"
    "12:00:59 AM  1000        42      0.00      0.00  201234   81924   0.50  python app.py\n"
)
PIDSTAT_EPOCH = (
    "#      Time   UID   PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n"
    " 1741046400  1000    42      0.00      0.00  201234   81920   0.50  python\n"
    " 1741046460  1000    42      0.00      0.00  201234   81924   0.50  python\n"
)
PIDSTAT_PLAIN = (
    "14:00:00      UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n"
    "14:00:00     1000        42      0.00      0.00  201234   81920   0.50  python\n"
    "14:01:00     1000        42      0.00      0.00  201234   81924   0.50  python\n"
    "Average:     1000        42      0.00      0.00  201234   81922   0.50  python\n"
)
DOCKER_HEADER = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS"
DOCKER_WEB = "a1b2c3d4e5f6   web       0.07%     {}MiB / 2GiB        3.9%      1kB / 0B  0B / 0B     5"


def test_a_csv_for_excel_is_read_without_its_first_line(tmp_path: Path) -> None:
    """It names the delimiter; the lines of a refusal are still those of the file."""
    text = "sep=,\nt,rss\n0,81920 KiB\n60,82000 KiB\n"
    (process,) = read(tmp_path, text, Columns("t", "rss"))
    assert process.series.value.tolist() == [81920 * 1024, 82000 * 1024]
    with pytest.raises(RecordingError, match="row 4"):
        read(tmp_path, text.replace("82000 KiB", "many"), Columns("t", "rss"))


def test_rows_from_the_newest_to_the_oldest_are_turned_round(tmp_path: Path) -> None:
    """Of two processes, too, whose rows have the same times; one time that rises in between is left as it is."""
    rows = [f"{1_700_000_000 + 60 * k},{80_000 + k} KiB,{pid}" for k in range(5) for pid in (1, 2)]
    head = "t,rss,pid\n"
    columns = Columns("t", "rss", life="pid")
    forwards = read(tmp_path, head + "\n".join(rows), columns)
    backwards = read(tmp_path, head + "\n".join(reversed(rows)), columns)
    for one in forwards:
        other = next(process for process in backwards if process.name == one.name)
        assert one.series.value.tolist() == other.series.value.tolist()
        assert one.series.t_s.tolist() == other.series.t_s.tolist()


def test_json_is_refused_with_what_reads_it(tmp_path: Path) -> None:
    """As of /api/v1/query_range: Prometheus is asked itself."""
    with pytest.raises(RecordingError, match=r"JSON is not read: .* soak judge --prometheus URL"):
        read(tmp_path, '{"status": "success"}', Columns("t", "rss"))


def read(tmp_path: Path, text: str, columns: Columns | None = None) -> tuple[ProcessReadings, ...]:
    """Return the processes of a file with this text."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    return read_external(path, columns)


@pytest.mark.parametrize(
    ("text", "bytes_each"),
    [
        (f"{PSRECORD}\n 0.0 0.0 10.0 20.0\n 60.0 5.0 11.5 20.0\n 2.0", MIB),
        (
            f"{PSRECORD}  Read count  Write count   Read bytes  Write bytes \n"
            " 0.0 0.0 10.0 20.0 1 2 0 0\n 60.0 5.0 11.5 20.0 1 2 0 0\n 90.0 0.0 11.5 20.0 1",
            MIB,
        ),
        ("elapsed_time,nproc,cpu,mem_real,mem_virtual\n0.0,1,0.0,10.0,20.0\n60.0,1,5.0,11.5,20.0\n", MIB),
        (
            "elapsed_time,nproc,cpu,mem_real,mem_virtual,read_count\n0.0,1,0.0,10.0,20.0,1\n60.0,1,5.0,11.5,20.0,2\n",
            MIB,
        ),
        (
            "CMDLINE python app.py\nMEM 10.0 1700000000.5\nFUNC app.f 1.0 2.0 3.0 4.0\nMEM 11.5 1700000060.5\n",
            MIB,
        ),
        ("time,name,mem_usage\n14:00:00,web,10MiB / 2GiB\n14:01:00,web,11.5MiB / 2GiB\n", MIB),
        ("Timestamp;Name;MemUsage\n14:00:00;web;10MiB / 2GiB\n14:01:00;web;11.5MiB / 2GiB\n", MIB),
        (
            "TIME\tNAME\tMEM USAGE / LIMIT\n14:00:00\tweb\t10MiB / 2GiB\n14:01:00\tweb\t11.5MiB / 2GiB\n",
            MIB,
        ),
        (
            f"1741046400\n\x1b[2J\x1b[H{DOCKER_HEADER}\n{DOCKER_WEB.format(10)}\n"
            f"1741046460\n{DOCKER_HEADER}\n{DOCKER_WEB.format(11.5)}\n",
            MIB,
        ),
        (
            f"14:00:00 {DOCKER_HEADER}\n14:00:00 {DOCKER_WEB.format(10)}\n"
            f"14:01:00 {DOCKER_HEADER}\n14:01:00 {DOCKER_WEB.format(11.5)}\n",
            MIB,
        ),
    ],
)
def test_formats_that_are_known_are_recognised(tmp_path: Path, text: str, bytes_each: float) -> None:
    """By their first line or header, with the units that the tool writes; a last line may be cut short."""
    (found,) = read(tmp_path, text)
    assert list(found.series.t_s) == [0.0, 60.0]
    assert list(found.series.value) == [10 * bytes_each, 11.5 * bytes_each]
    assert list(found.series.life) == [1.0, 1.0]


@pytest.mark.parametrize("text", [PIDSTAT_CLOCK, PIDSTAT_EPOCH, PIDSTAT_PLAIN])
def test_pidstat_is_recognised(tmp_path: Path, text: str) -> None:
    """With and without -h, by 24 hours, 12 hours or seconds; its memory is in KiB, and its average is no reading."""
    (found,) = read(tmp_path, text)
    assert list(found.series.t_s) == [0.0, 60.0]
    assert list(found.series.value) == [81_920 * KIB, 81_924 * KIB]


def test_seldom_readings_of_a_known_format_need_no_unit(tmp_path: Path) -> None:
    """A table of docker stats has the times of ``date``, mprof seconds: every half hour is every half hour."""
    docker = "".join(f"{1741046400 + 1800 * n}\n{DOCKER_HEADER}\n{DOCKER_WEB.format(10)}\n" for n in range(5))
    mprof = "".join(f"MEM 10 {1741046400 + 1800 * n}.5\n" for n in range(5))
    for text in (docker, mprof):
        (found,) = read(tmp_path, text)
        assert list(found.series.t_s) == [0.0, 1800.0, 3600.0, 5400.0, 7200.0]


def test_the_children_of_mprof_are_processes(tmp_path: Path) -> None:
    """Beside the main process, which MEM is of."""
    lines = [f"MEM 10 {t}\nCHLD 7 {20 + t} {t}\n" for t in range(5)]
    main, child = read(tmp_path, "CMDLINE x\n" + "".join(lines))
    assert (main.name, child.name) == ("main process", "child 7")
    assert list(main.series.value) == [10 * MIB] * 5
    assert list(child.series.value) == [(20 + t) * MIB for t in range(5)]


def test_each_start_that_mprof_marks_is_a_life(tmp_path: Path) -> None:
    """Of one process, whatever lies between."""
    (found,) = read(tmp_path, "CMDLINE x\nMEM 10 0\nMEM 11 1\nCMDLINE x\nMEM 10 2\nMEM 11 3\n")
    assert found.series.life[0] == found.series.life[1] < found.series.life[2] == found.series.life[3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "  "])
def test_a_table_is_read_by_its_columns_and_their_units(tmp_path: Path, delimiter: str) -> None:
    """Whatever delimiter yields them; what is not above 0 was not read, and a row without a time is dropped."""
    rows = ["t,rss", "0,10", "1,-1", "N/A,7", "", "2,N/A"]
    text = "\ufeff" + "\n".join(row.replace(",", delimiter) for row in rows) + "\n"
    (found,) = read(tmp_path, text, Columns("t", "rss", 60.0, 1024.0))
    assert list(found.series.t_s) == [0.0, 60.0, 120.0]
    assert found.series.value == pytest.approx([10_240, np.nan, np.nan], nan_ok=True)


def test_a_header_in_the_middle_is_a_start(tmp_path: Path) -> None:
    """Runs that are appended to one file, each with the header."""
    (found,) = read(tmp_path, "t,rss\n0,2e8\n1,2e8\nt,rss\n2,2e8\n", Columns("t", "rss", rss_bytes=1.0))
    assert list(found.series.life) == [1, 1, 2]


@pytest.mark.parametrize("pids", ["7", "78"])
def test_a_header_before_each_reading_is_no_start(tmp_path: Path, pids: str) -> None:
    """``while sleep 60; do ps -o etimes,pid,rss -C python; done`` writes one each time."""
    rows = "".join(
        f"{pid} {60 * n} {200_000 + 4 * n}\n" + "PID ELAPSED RSS\n" * (pid == pids[-1])
        for n in range(9)
        for pid in pids
    )
    found = read(tmp_path, f"PID ELAPSED RSS\n{rows}", Columns("ELAPSED", "RSS", 1.0, KIB, life="PID"))
    assert [list(one.series.life) for one in found] == [[1] * 9] * len(pids)


def test_an_empty_cell_is_no_restart(tmp_path: Path) -> None:
    """Whatever tells lives apart, a name or a number, goes on where it was not read."""
    text = "t,rss,pod\n0,2e8,\n1,2e8,a\n2,2e8,\n3,2e8,b\n4,2e8,a\n"
    (found,) = read(tmp_path, text, Columns("t", "rss", rss_bytes=1.0, life="pod"))
    assert list(found.series.life) == [1, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("life", "are_starts_known"),
    [
        *(("pod", False), ("inner", False), ("worker", False), ("", False)),
        *(("pid", True), ("started", True), ("epoch", True), ("job", True)),
    ],
)
def test_a_name_does_not_tell_the_starts_of_a_process(
    tmp_path: Path, life: str, are_starts_known: bool
) -> None:
    """A pod keeps its name when its container is started again, a worker its number, and in a container the pid is 1.

    A pid, a start time and a name of all rows do tell.

    Memory grows by 30% in each of four stretches, and begins from 200 MB again.
    """
    many, named = life in {"pod", "worker"}, life in {"pod", "worker", "inner"}
    lines = ["t,rss,pod,pid,started,epoch,job,inner,worker"]
    for k in range(400):
        run = k // 100
        rss = 200_000_000 + 600_000 * (k % 100)
        for pod in range(2 if many else 1):
            starts = f"2026-11-0{run + 1}T00:00:00Z,{1_764_000_000 + 86_400 * run}"
            lines.append(f"{60 * k},{rss + 1000 * (k % 7)},shop-{pod},{7 + run},{starts},shop,1,{pod}")
    found = read(tmp_path, "\n".join(lines) + "\n", Columns("t", "rss", rss_bytes=1.0, life=life))
    assert len(found) == (2 if many else 1)
    for one in found:
        assert bool(one.doubt) is not are_starts_known
        assert ("name a column of pids or start times by --life-column" in one.doubt) is named


def test_pods_without_falls_are_not_doubted(tmp_path: Path) -> None:
    """Names are enough where nothing looks like a start."""
    rows = (f"{60 * k},{200_000_000 + 4096 * (k % 7)},shop-{pod}\n" for k in range(400) for pod in range(3))
    found = read(tmp_path, "t,rss,pod\n" + "".join(rows), Columns("t", "rss", rss_bytes=1.0, life="pod"))
    assert [one.doubt + one.pauses + one.unusable for one in found] == [""] * 3


def test_powershell_writes_utf_16(tmp_path: Path) -> None:
    """And marks it."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n0,2e8\n", encoding="utf-16")
    assert list(read_external(path, Columns("t", "rss", rss_bytes=1.0))[0].series.value) == [2e8]


def test_few_bytes_and_late_seconds_are_believed_when_their_unit_is_named(tmp_path: Path) -> None:
    """A refusal is for what was left out alone."""
    text = "t,rss\n1764162000000,90000\n1764162000005,90000\n"
    (found,) = read(tmp_path, text, Columns("t", "rss", 1e-3, 1.0))
    assert list(found.series.value) == [90_000, 90_000]
    assert found.series.t_s[1] == pytest.approx(0.005, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        ("NAME  CPU % MEM USAGE\napp  1 2MiB\n", None, "not a file of psrecord"),
        ("#A-PID RSS %MEM\n1 2 3\n", None, "not a file of psrecord"),
        ("a,b\n1,2\n", None, "not a file of psrecord, mprof, pidstat or docker stats; name its columns"),
        ("a,b\n1,2\n", Columns("t", "b"), "--time-column t: no such column; it has a, b"),
        ("a,b\n1,2e8\n", Columns("a", "b", life="pid"), "--life-column pid: no such column; it has a, b"),
        ("a,b\n1,2\n", Columns("a", "rss"), "--rss-column rss: no such column; it has a, b"),
        (
            "Time,Value,Value\n0,2e8,3e8\n",
            Columns("Time", "Value"),
            "--rss-column Value: 2 columns have this name; give each a name of its own in the header, and judge one",
        ),
        (
            "t,rss,n\n" + "".join(f"{60 * n},2e8,{n}\n" for n in range(20)),
            Columns("t", "rss", rss_bytes=1.0, life="n"),
            "--life-column n: nearly every row has another value, as of a time or a count; name a column that stays",
        ),
        ("", Columns("a", "b"), "the file is empty"),
        ("a,b\n1,350.5\n2,3\n", Columns("a", "b"), "350.5 bytes are too few for a process"),
        ("a,b\n1,350.5\n", Columns("a", "b", 60.0), "name the unit by --rss-unit, for example MiB or KiB"),
        ("a,b\n1764162000000,5e8\n", Columns("a", "b"), "name the unit, for example --time-unit ms"),
        (
            "a,b\n0,80,5\n",
            Columns("a", "b"),
            "row 2 has 3 cells, the header 2; correct the row, or quote cells",
        ),
        ("a,b\n0,2e8\n1,x\n", Columns("a", "b"), "column b, row 3: 'x' is not a size"),
        (
            "name,mem_usage\nweb,80MiB / 2GiB\n",
            None,
            "no column has the time (time, timestamp, date, datetime, ",
        ),
        (f"{PSRECORD}\n0.0 0.0\n1.0 0.0 10.0 20.0\n", None, "row 2 has 2 cells, not 4; correct or remove it"),
        (f"{PSRECORD}\n0.0 0.0 oops 20.0\n", None, "column Real (MB), row 2: 'oops' is not a size"),
        ("CMDLINE x\nMEM 1o.0 5\n", None, "column MEM, row 2: '1o.0' is not a size"),
        (
            f"{DOCKER_HEADER}\n{DOCKER_WEB.format(10)}\n",
            None,
            "row 2: a table of docker stats has no times; write",
        ),
    ],
)
def test_a_file_that_is_no_recording_says_why(
    tmp_path: Path, text: str, columns: Columns | None, sentence: str
) -> None:
    """With the file and the fix, never a traceback."""
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text, columns)
    assert str(caught.value).startswith(f"{tmp_path / 'x.csv'}: ")
    assert sentence in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A FIFO that nobody writes to is not waited for; a link to a file is followed."""
    os.mkfifo(tmp_path / "fifo.csv")
    with pytest.raises(RecordingError, match="it is a FIFO, not a regular file"):
        read_external(tmp_path / "fifo.csv", None)
    with pytest.raises(RecordingError, match="it is a device, not a regular file"):
        read_external(Path("/dev/zero"), None)
    (tmp_path / "link.csv").symlink_to("empty.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(RecordingError, match="the file is empty"):
        read_external(tmp_path / "link.csv", None)
