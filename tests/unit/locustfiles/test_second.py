from __future__ import annotations

from locustfiles.second import Second
from soak.contract import FAILURE_KINDS, REQUEST_COLUMNS, names


def _row(second: Second) -> dict[str, int | str]:
    columns = names(REQUEST_COLUMNS)
    return dict(zip(columns[columns.index("planned") :], second.cells(), strict=True))


def test_a_second_in_which_nothing_happened() -> None:
    """Counts are 0; quantiles of no request are empty, never 0."""
    cells = _row(Second())
    assert {
        cells[name] for name in ("planned", "sent", "missed", "ok", *(f"failed_{k}" for k in FAILURE_KINDS))
    } == {0}
    assert {value for name, value in cells.items() if name.endswith("_ms")} == {""}


def test_each_count_has_its_column() -> None:
    """Counts and kinds of failure land in the columns of the contract."""
    second = Second(planned=9, sent=8, missed=7)
    second.ended[None] = 6
    for count, kind in enumerate(FAILURE_KINDS, start=20):
        second.ended[kind] = count
    cells = _row(second)
    assert (cells["planned"], cells["sent"], cells["missed"], cells["ok"]) == (9, 8, 7, 6)
    assert [cells[f"failed_{kind}"] for kind in FAILURE_KINDS] == list(range(20, 27))


def test_quantiles_are_values_that_occurred() -> None:
    """The quantile q is the smallest value that a share q of the requests do not exceed, in milliseconds."""
    cells = _row(Second(latency_us=list(range(1000, 101_000, 1000)), service_us=[2500]))
    assert [cells[f"latency_{q}_ms"] for q in ("p50", "p90", "p99", "max")] == [
        "50.000",
        "90.000",
        "99.000",
        "100.000",
    ]
    assert [cells[f"service_{q}_ms"] for q in ("p50", "p90", "p99", "max")] == ["2.500"] * 4
